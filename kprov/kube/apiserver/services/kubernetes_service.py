"""The Service ``kubernetes``, and its endpoints: all API servers that are alive.

Each server keeps a lease of its own, /registry/masterleases/ADDRESS, for fifteen seconds at a time. Whoever looks
writes what the leases say into Endpoints and EndpointSlice; all write the same.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any

import orjson

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.handlers.metadata import now
from kprov.kube.apiserver.services.allocation import ServiceAllocation
from kprov.kube.apiserver.storage.etcd import EtcdError
from kprov.kube.apiserver.storage.hub import NotFreshInTime
from kprov.kube.apiserver.storage.keys import range_end
from kprov.kube.apiserver.storage.store import Store

_log = logging.getLogger(__name__)
Object = dict[str, Any]
_TTL_SECONDS = 15
_INTERVAL_SECONDS = 5.0
_NAME, _NAMESPACE = "kubernetes", "default"
_SERVICES, _ENDPOINTS = ("", "services"), ("", "endpoints")
_SLICES = ("discovery.k8s.io", "endpointslices")


class KubernetesService:
    """Keeps the Service.

    Args:
        store: where everything is.
        allocation: gives the first address of the range.
        address: this server's.
        port: this server's.
        node_port: the Service's node port, 0 for none.
    """

    def __init__(self, store: Store, allocation: ServiceAllocation, address: str, port: int, node_port: int) -> None:
        self._store = store
        self._allocation = allocation
        self._address = address
        self._port = port
        self._node_port = node_port
        self._prefix = f"{store.keys.root}/masterleases/".encode()
        self._key = self._prefix + address.encode()

    async def keep(self) -> None:
        """Renew the lease and write the endpoints, for ever."""
        marked = False
        while True:
            try:
                if not marked:
                    await self._allocation.mark_used(await self._store.list(_SERVICES))
                    marked = True
                await self._renew()
                await self._ensure_service()
                await self._write_endpoints(await self._alive())
            except (ApiError, EtcdError, NotFreshInTime) as error:
                _log.warning("the Service kubernetes is not up to date: %s", error)
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def withdraw(self) -> None:
        """This server stops: take it out of the endpoints now."""
        try:
            async with asyncio.timeout(3):
                stored, _ = await self._store.writer.read(self._key)
                if stored is not None:
                    await self._store.writer.delete(self._key, stored.revision)
                    alive = await self._alive()
                    if alive:
                        await self._write_endpoints(alive)
        except (ApiError, EtcdError, NotFreshInTime, TimeoutError) as error:
            _log.warning("this server's lease runs out by itself: %s", error)

    async def _renew(self) -> None:
        lease = await self._store.etcd.grant(_TTL_SECONDS)
        value = orjson.dumps(
            {
                "kind": "Endpoints",
                "apiVersion": "v1",
                "metadata": {"creationTimestamp": None},
                "subsets": [{"addresses": [{"ip": self._address}]}],
            }
        )
        stored, _ = await self._store.writer.read(self._key)
        await self._store.writer.put(self._key, value, stored.revision if stored else 0, lease)

    async def _alive(self) -> list[str]:
        response = await self._store.etcd.range(self._prefix, range_end(self._prefix))
        return sorted(kv.key[len(self._prefix) :].decode() for kv in response.kvs)

    async def _ensure_service(self) -> None:
        if self._store.cached_get(_SERVICES, _NAMESPACE, _NAME) is not None:
            return
        port: Object = {"name": "https", "protocol": "TCP", "port": 443, "targetPort": self._port}
        if self._node_port:
            port["nodePort"] = self._node_port
        address = self._allocation.first_address
        service: Object = {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": _metadata({"component": "apiserver", "provider": "kubernetes"}),
            "spec": {
                "ports": [port],
                "clusterIP": address,
                "clusterIPs": [address],
                "type": "NodePort" if self._node_port else "ClusterIP",
                "sessionAffinity": "None",
                "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack",
                "internalTrafficPolicy": "Cluster",
            },
            "status": {"loadBalancer": {}},
        }
        try:
            await self._store.create(_SERVICES, service)
            await self._allocation.mark_used([service])
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _write_endpoints(self, alive: list[str]) -> None:
        subsets = [
            {
                "addresses": [{"ip": address} for address in alive],
                "ports": [{"name": "https", "port": self._port, "protocol": "TCP"}],
            }
        ]
        await self._ensure(
            _ENDPOINTS,
            {
                "kind": "Endpoints",
                "apiVersion": "v1",
                "metadata": _metadata({"endpointslice.kubernetes.io/skip-mirror": "true"}),
                "subsets": subsets,
            },
        )
        await self._ensure(
            _SLICES,
            {
                "kind": "EndpointSlice",
                "apiVersion": "discovery.k8s.io/v1",
                "metadata": {**_metadata({"kubernetes.io/service-name": _NAME}), "generation": 1},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in alive],
                "ports": [{"name": "https", "port": self._port, "protocol": "TCP"}],
            },
        )

    async def _ensure(self, resource: tuple[str, str], wanted: Object) -> None:
        def change(present: Object) -> Object | None:
            fields = [name for name in wanted if name not in ("kind", "apiVersion", "metadata")]
            if all(present.get(name) == wanted[name] for name in fields):
                return None
            for name in fields:
                present[name] = wanted[name]
            labels = present["metadata"].setdefault("labels", {})
            labels.update(wanted["metadata"]["labels"])
            if "generation" in present["metadata"]:
                present["metadata"]["generation"] += 1
            return present

        try:
            await self._store.guaranteed_update(resource, _NAMESPACE, _NAME, change)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            try:
                await self._store.create(resource, wanted)
            except ApiError as raced:
                if raced.reason != "AlreadyExists":
                    raise


def _metadata(labels: dict[str, str]) -> Object:
    return {
        "name": _NAME,
        "namespace": _NAMESPACE,
        "uid": str(uuid.uuid4()),
        "creationTimestamp": now(),
        "labels": labels,
    }
