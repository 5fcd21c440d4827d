"""Asking the cluster to sign: a CertificateSigningRequest, and the wait for its answer."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import is_already_exists, is_not_found
from kprov.kube.api.kinds import CERTIFICATE_SIGNING_REQUESTS
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.certificates.store import Certificate, CertificateStore, ask_tool

log = logging.getLogger(__name__)

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
USAGES = {CLIENT_SIGNER: ["digital signature", "client auth"], SERVING_SIGNER: ["digital signature", "server auth"]}
PATIENCE = 15 * 60.0


class SigningRefusedError(Exception):
    """The request was denied, failed, or stayed unanswered; the message says which."""


async def obtain(
    client: ApiClient,
    store: CertificateStore,
    signer: str,
    node: str,
    *,
    dns_names: list[str] | None = None,
    addresses: list[str] | None = None,
) -> Certificate:
    """Ask for a certificate, wait for it and keep it.

    The key is on disk before the request is in the API and the request is named after the key, so that an interrupted
    call goes on where it was. Raises SigningRefusedError and what the API client raises.
    """
    asked = await ask_tool(
        "request",
        key=store.read_pending_key(),
        common_name=f"system:node:{node}",
        organizations=["system:nodes"],
        dns_names=dns_names or [],
        addresses=addresses or [],
    )
    store.save_pending_key(asked["key"])
    name = f"{'node-csr' if signer == CLIENT_SIGNER else 'csr'}-{asked['fingerprint'][:43]}"
    wanted = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(asked["csr"].encode()).decode(),
            "signerName": signer,
            "usages": USAGES[signer],
        },
    }
    try:
        request = await client.create(CERTIFICATE_SIGNING_REQUESTS, wanted)
    except API_FAILURES as failure:
        if not is_already_exists(failure):
            raise
        request = await client.get(CERTIFICATE_SIGNING_REQUESTS, name)
    log.info("waiting for the certificate of request %s", name)
    try:
        pem = await _answer(client, request)
    except SigningRefusedError:
        store.drop_pending_key()
        raise
    return await store.save(pem, asked["key"])


async def _answer(client: ApiClient, request: dict[str, Any]) -> str:
    """The signed certificate of a request."""
    name = request["metadata"]["name"]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (pem := _read(request)) is not None:
            return pem
        try:
            async for event in client.watch(
                CERTIFICATE_SIGNING_REQUESTS,
                resource_version=request["metadata"]["resourceVersion"],
                field_selector=f"metadata.name={name}",
                timeout_seconds=60,
            ):
                if event["type"] == "DELETED":
                    raise SigningRefusedError(f"request {name} was deleted")
                if event["type"] != "BOOKMARK" and (pem := _read(event["object"])) is not None:
                    return pem
        except API_FAILURES as failure:
            log.info("request %s: %s", name, failure or type(failure).__name__)
            await asyncio.sleep(1)
        try:
            request = await client.get(CERTIFICATE_SIGNING_REQUESTS, name)
        except API_FAILURES as failure:
            if is_not_found(failure):
                raise SigningRefusedError(f"request {name} was deleted") from None
            await asyncio.sleep(1)
    raise SigningRefusedError(f"request {name} is not answered; is it approved? (kubectl certificate approve {name})")


def _read(request: dict[str, Any]) -> str | None:
    status = request.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] in ("Denied", "Failed"):
            words = condition.get("message") or condition.get("reason") or "no reason given"
            raise SigningRefusedError(f"request {request['metadata']['name']} was {condition['type'].lower()}: {words}")
    return base64.b64decode(status["certificate"]).decode() if status.get("certificate") else None
