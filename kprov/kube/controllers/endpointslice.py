"""EndpointSlices: a Service's addresses in pieces, so that one pod's change is one small write.

An endpoint stays in the slice where it is. New ones fill slices that have room before another slice is made.
"""

from __future__ import annotations

import asyncio
from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import ENDPOINT_SLICES, NODES, SERVICES
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import Context
from kprov.kube.controllers.endpoints import TRIGGER_TIME, ports_on
from kprov.kube.controllers.expectations import Expectations
from kprov.kube.controllers.ownership import controller_reference
from kprov.kube.controllers.pod_control import namespace_is_terminating
from kprov.kube.controllers.service_endpoints import (
    HEADLESS_LABEL,
    ServiceEndpointsController,
    hostname_in,
    pod_ips,
    publishes_not_ready,
    target_reference,
)

Object = dict[str, Any]
Ports = tuple[tuple[str, int, str, str], ...]

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
OURS = "endpointslice-controller.k8s.io"
SERVICE_INDEX = "service-name"
ZONE = "topology.kubernetes.io/zone"


def service_keys(endpoint_slice: Object) -> tuple[str, ...]:
    """Index value of a slice: its Service's key."""
    metadata = endpoint_slice["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_LABEL)
    return (f"{metadata['namespace']}/{name}",) if name else ()


def endpoint_for(service: Object, pod: Object, address: str, node: Object | None) -> Object:
    """One endpoint of a slice."""
    leaving = bool(pod["metadata"].get("deletionTimestamp"))
    serving = pod_state.is_ready(pod)
    ready = publishes_not_ready(service) or (serving and not leaving)
    endpoint: Object = {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": serving, "terminating": leaving},
        "targetRef": target_reference(pod),
    }
    if pod["spec"].get("nodeName"):
        endpoint["nodeName"] = pod["spec"]["nodeName"]
    zone = ((node or {"metadata": {}})["metadata"].get("labels") or {}).get(ZONE)
    if zone:
        endpoint["zone"] = zone
    if (name := hostname_in(service, pod)) is not None:
        endpoint["hostname"] = name
    return endpoint


def slice_ports(ports: Ports) -> list[Object]:
    """The ports as a slice says them: the name is there even when empty."""
    return [
        {
            "name": name,
            "port": number,
            "protocol": protocol,
            **({"appProtocol": application} if application else {}),
        }
        for name, number, protocol, application in ports
    ]


def ports_of(endpoint_slice: Object) -> Ports:
    """The ports of an existing slice, comparable."""
    return tuple(
        sorted(
            (p.get("name", ""), p.get("port", 0), p.get("protocol", "TCP"), p.get("appProtocol", ""))
            for p in endpoint_slice.get("ports") or ()
        )
    )


def _identity(endpoint: Object) -> tuple[str, str]:
    return (endpoint.get("targetRef") or {}).get("uid", ""), endpoint["addresses"][0]


def arrange(
    wanted: list[Object], slices: list[Object], capacity: int
) -> tuple[list[tuple[Object, list[Object]]], list[Object], list[list[Object]]]:
    """Spread endpoints of one set of ports over slices.

    Returns (slices that stay, with their endpoints), (slices that are not needed), (endpoints of slices to make).
    """
    waiting = {_identity(endpoint): endpoint for endpoint in wanted}
    staying: list[tuple[Object, list[Object]]] = []
    for entry in slices:
        kept = []
        for endpoint in entry.get("endpoints") or ():
            current = waiting.pop(_identity(endpoint), None)
            if current is not None:
                kept.append(current)
        staying.append((entry, kept))
    rest = list(waiting.values())
    # Changed slices first: they are written anyway.
    staying.sort(key=lambda pair: (pair[1] == (pair[0].get("endpoints") or []), -len(pair[1])))
    for _, kept in staying:
        room = capacity - len(kept)
        if rest and room > 0:
            kept += rest[:room]
            rest = rest[room:]
    fresh = [rest[start : start + capacity] for start in range(0, len(rest), capacity)]
    return [p for p in staying if p[1]], [entry for entry, kept in staying if not kept], fresh


class EndpointSliceController(ServiceEndpointsController):
    """Keeps the EndpointSlices of each Service that has a selector."""

    name = "endpointslice"
    account = "endpointslice-controller"
    component = "endpoint-slice-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.expectations = Expectations()
        self.nodes = self.watch(NODES)
        self.slices = context.indexed(ENDPOINT_SLICES, SERVICE_INDEX, service_keys)
        self.watch(
            ENDPOINT_SLICES,
            on_add=self._slice_added,
            on_update=lambda _, new: self._slice_changed(new),
            on_delete=self._slice_changed,
        )

    @staticmethod
    def _ours(endpoint_slice: Object) -> bool:
        return (endpoint_slice["metadata"].get("labels") or {}).get(MANAGED_BY) == OURS

    def _slice_added(self, endpoint_slice: Object) -> None:
        if self._ours(endpoint_slice):
            for key in service_keys(endpoint_slice):
                self.expectations.created(key)
                self.queue.add(key)

    def _slice_changed(self, endpoint_slice: Object) -> None:
        if self._ours(endpoint_slice):
            for key in service_keys(endpoint_slice):
                self.queue.add(key)

    async def reconcile(self, key: str) -> None:
        """Bring a Service's slices up to date, or delete them with it."""
        service = self.services.get(key)
        existing = [s for s in self.slices.by_index(SERVICE_INDEX, key) if self._ours(s)]
        if service is None:
            self.expectations.forget(key)
            await asyncio.gather(*(self._delete(entry) for entry in existing))
            return
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        if service["metadata"].get("deletionTimestamp") or not self.expectations.satisfied(key):
            return
        families = service["spec"].get("ipFamilies") or ["IPv4"]
        pods = self.selected(service)
        for entry in existing:
            if entry.get("addressType") not in families:
                await self._delete(entry)
        for family in families:
            await self._family(key, service, pods, family, [s for s in existing if s.get("addressType") == family])

    async def _family(self, key: str, service: Object, pods: list[Object], family: str, existing: list[Object]) -> None:
        groups: dict[Ports, list[Object]] = {}
        for pod in pods:
            node = self.nodes.get(pod["spec"].get("nodeName") or "")
            for address in pod_ips(pod):
                if (":" in address) == (family == "IPv6"):
                    endpoint = endpoint_for(service, pod, address, node)
                    groups.setdefault(ports_on(service, pod), []).append(endpoint)
                    break
        by_ports: dict[Ports, list[Object]] = {}
        for entry in existing:
            by_ports.setdefault(ports_of(entry), []).append(entry)
        capacity = self.context.options.max_endpoints_per_slice
        writes: list[tuple[Object, list[Object], Ports]] = []
        spare: list[Object] = []
        fresh: list[tuple[list[Object], Ports]] = []
        for ports in groups.keys() | by_ports.keys():
            stay, unneeded, new = arrange(groups.get(ports, []), by_ports.get(ports, []), capacity)
            writes += [(entry, endpoints, ports) for entry, endpoints in stay]
            spare += unneeded
            fresh += [(endpoints, ports) for endpoints in new]
        if not writes and not fresh:
            # An empty slice says that the Service is known and has nobody; its absence would say nothing.
            if spare:
                writes.append((spare.pop(0), [], ()))
            else:
                fresh.append(([], ()))
        while fresh and spare:
            endpoints, ports = fresh.pop()
            writes.append((spare.pop(), endpoints, ports))
        for entry, endpoints, ports in writes:
            await self._update(service, entry, endpoints, ports)
        if fresh:
            self.expectations.expect(key, creations=len(fresh))
            for position, (endpoints, ports) in enumerate(fresh):
                try:
                    await self._create(service, family, endpoints, ports)
                except ApiError as error:
                    for _ in fresh[position:]:
                        self.expectations.created(key)
                    if namespace_is_terminating(error):
                        return
                    raise
        for entry in spare:
            await self._delete(entry)

    @staticmethod
    def _labels(service: Object) -> dict[str, str]:
        own = {
            k: v
            for k, v in (service["metadata"].get("labels") or {}).items()
            if k not in (SERVICE_LABEL, MANAGED_BY, HEADLESS_LABEL)
        }
        own |= {SERVICE_LABEL: service["metadata"]["name"], MANAGED_BY: OURS}
        if service["spec"].get("clusterIP") == "None":
            own[HEADLESS_LABEL] = ""
        return own

    async def _update(self, service: Object, entry: Object, endpoints: list[Object], ports: Ports) -> None:
        labels = self._labels(service)
        same = (
            (entry.get("endpoints") or []) == endpoints
            and ports_of(entry) == ports
            and (entry["metadata"].get("labels") or {}) == labels
        )
        if same:
            return
        annotations = {**(entry["metadata"].get("annotations") or {}), TRIGGER_TIME: clock.format_time(clock.seconds())}
        metadata = {**entry["metadata"], "labels": labels, "annotations": annotations}
        await self.client.update(
            ENDPOINT_SLICES, {**entry, "metadata": metadata, "endpoints": endpoints, "ports": slice_ports(ports)}
        )

    async def _create(self, service: Object, family: str, endpoints: list[Object], ports: Ports) -> None:
        metadata = service["metadata"]
        body = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{metadata['name'][:57]}-",
                "namespace": metadata["namespace"],
                "labels": self._labels(service),
                "annotations": {TRIGGER_TIME: clock.format_time(clock.seconds())},
                "ownerReferences": [controller_reference(service, SERVICES)],
            },
            "addressType": family,
            "endpoints": endpoints,
            "ports": slice_ports(ports),
        }
        await self.client.create(ENDPOINT_SLICES, body, metadata["namespace"])

    async def _delete(self, entry: Object) -> None:
        try:
            await self.client.delete(ENDPOINT_SLICES, entry["metadata"]["name"], entry["metadata"]["namespace"])
        except ApiError as error:
            if not is_not_found(error):
                raise
