"""This machine's DNS server as an endpoint of the Service kube-dns."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import aiohttp

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import ENDPOINT_SLICES

log = logging.getLogger(__name__)

NAMESPACE = "kube-system"
SERVICE = "kube-dns"
_AGAIN_SECONDS = 300.0
_RETRY_SECONDS = 2.0


def endpoint_slice(node: dict[str, Any], address: str, ready: bool) -> dict[str, Any]:
    """The EndpointSlice that this machine keeps; it goes when its Node goes."""
    metadata = node["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{SERVICE}-{metadata['name']}",
            "namespace": NAMESPACE,
            "labels": {
                "kubernetes.io/service-name": SERVICE,
                "endpointslice.kubernetes.io/managed-by": "kprov-node",
            },
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": metadata["name"], "uid": metadata["uid"]},
            ],
        },
        "addressType": "IPv4",
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ],
        "endpoints": [
            {"addresses": [address], "nodeName": metadata["name"], "conditions": {"ready": ready, "serving": ready}}
        ],
    }


async def register(client: ApiClient, wanted: dict[str, Any]) -> None:
    """Make the slice as wanted. Raises ApiError."""
    name = wanted["metadata"]["name"]
    try:
        await client.patch(ENDPOINT_SLICES, name, NAMESPACE, wanted, patch_type="merge")
    except ApiError as error:
        if not is_not_found(error):
            raise
        try:
            await client.create(ENDPOINT_SLICES, wanted, NAMESPACE)
        except ApiError as again:
            if not is_already_exists(again):
                raise


async def keep_registered(client: ApiClient, nodes: Informer, slices: Informer, name: str, address: str) -> None:
    """Register this machine, again at once where its Node is another or the slice is gone, and look now and then.

    The slice goes with the Node that it names. Somebody may delete the Node of a machine that lives: the kubelet makes
    another one, with another uid, and the slice must name that.
    """
    wake = asyncio.Event()

    def node_came(node: dict[str, Any]) -> None:
        if node["metadata"]["name"] == name:
            wake.set()

    def slice_went(gone: dict[str, Any]) -> None:
        if (gone["metadata"].get("namespace"), gone["metadata"]["name"]) == (NAMESPACE, f"{SERVICE}-{name}"):
            wake.set()

    nodes.add_handler(on_add=node_came)  # of a Node that was made anew its deletion is told first
    slices.add_handler(on_delete=slice_went)
    while True:
        wake.clear()
        pause = _RETRY_SECONDS
        if (node := nodes.get(name)) is not None:
            try:
                await register(client, endpoint_slice(node, address, ready=True))
                pause = _AGAIN_SECONDS
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                log.warning("the DNS endpoint of this machine can't be registered: %s", error)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await wake.wait()
