"""Endpoints: the older form of a Service's addresses, in one object of the Service's name."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import ENDPOINTS
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import Context
from kprov.kube.controllers.pod_control import namespace_is_terminating
from kprov.kube.controllers.service_endpoints import (
    HEADLESS_LABEL,
    ServiceEndpointsController,
    hostname_in,
    pod_ips,
    publishes_not_ready,
    target_port,
    target_reference,
)

Object = dict[str, Any]
CAPACITY = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


def ports_on(service: Object, pod: Object) -> tuple[tuple[str, int, str, str], ...]:
    """(name, number, protocol, application protocol) of each Service port on this pod."""
    rows = []
    for port in service["spec"].get("ports") or ():
        number = target_port(pod, port)
        if number is not None:
            rows.append((port.get("name", ""), number, port.get("protocol", "TCP"), port.get("appProtocol", "")))
    return tuple(sorted(rows))


def subsets_of(service: Object, pods: list[Object]) -> list[Object]:
    """The addresses, grouped by the ports that they serve."""
    groups: dict[tuple[tuple[str, int, str, str], ...], tuple[list[Object], list[Object]]] = {}
    early = publishes_not_ready(service)
    family = (service["spec"].get("ipFamilies") or ["IPv4"])[0]
    has_ports = bool(service["spec"].get("ports"))
    for pod in pods:
        if pod["metadata"].get("deletionTimestamp") and not early:
            continue
        address_text = next((ip for ip in pod_ips(pod) if (":" in ip) == (family == "IPv6")), None)
        ports = ports_on(service, pod)
        if address_text is None or (has_ports and not ports):
            continue
        address: Object = {"ip": address_text, "targetRef": target_reference(pod)}
        if pod["spec"].get("nodeName"):
            address["nodeName"] = pod["spec"]["nodeName"]
        if (name := hostname_in(service, pod)) is not None:
            address["hostname"] = name
        ready = early or pod_state.is_ready(pod)
        groups.setdefault(ports, ([], []))[0 if ready else 1].append(address)
    subsets = []
    for ports, (ready_addresses, waiting) in sorted(groups.items()):
        subset: Object = {}
        if ready_addresses:
            subset["addresses"] = sorted(ready_addresses, key=lambda a: a["ip"])
        if waiting:
            subset["notReadyAddresses"] = sorted(waiting, key=lambda a: a["ip"])
        if ports:
            subset["ports"] = [
                {
                    **({"name": name} if name else {}),
                    "port": number,
                    "protocol": protocol,
                    **({"appProtocol": application} if application else {}),
                }
                for name, number, protocol, application in ports
            ]
        subsets.append(subset)
    return subsets


def truncate(subsets: list[Object]) -> bool:
    """Cut to what one object may hold, ready addresses first. Returns whether something was cut."""
    room, cut = CAPACITY, False
    for field in ("addresses", "notReadyAddresses"):
        for subset in subsets:
            addresses = subset.get(field)
            if addresses and len(addresses) > room:
                cut = True
                subset[field] = addresses[:room]
                if not subset[field]:
                    del subset[field]
            room -= len(subset.get(field) or ())
    return cut


class EndpointsController(ServiceEndpointsController):
    """Keeps one Endpoints object for each Service that has a selector."""

    name = "endpoint"
    account = "endpoint-controller"
    component = "endpoint-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.endpoints = self.watch(ENDPOINTS, on_update=self._changed_by_another, on_delete=self.enqueue)

    def _changed_by_another(self, old: Object, new: Object) -> None:
        if old.get("subsets") != new.get("subsets"):
            self.enqueue(new)

    async def reconcile(self, key: str) -> None:
        """Bring a Service's Endpoints up to date, or delete them with it."""
        service = self.services.get(key)
        namespace, _, name = key.partition("/")
        current = self.endpoints.get(key)
        if service is None:
            if current is not None and "control-plane.alpha.kubernetes.io/leader" not in (
                current["metadata"].get("annotations") or {}
            ):
                try:
                    await self.client.delete(ENDPOINTS, name, namespace)
                except ApiError as error:
                    if not is_not_found(error):
                        raise
            return
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        pods = self.selected(service)
        subsets = subsets_of(service, pods)
        cut = truncate(subsets)
        labels = dict(service["metadata"].get("labels") or {})
        labels.pop(HEADLESS_LABEL, None)
        if service["spec"].get("clusterIP") == "None":
            labels[HEADLESS_LABEL] = ""
        labels["endpoints.kubernetes.io/managed-by"] = "endpoint-controller"
        if (
            current is not None
            and (current.get("subsets") or []) == subsets
            and (current["metadata"].get("labels") or {}) == labels
        ):
            return
        annotations = dict((current or {"metadata": {}})["metadata"].get("annotations") or {})
        annotations[TRIGGER_TIME] = clock.format_time(clock.seconds())
        annotations.pop(OVER_CAPACITY, None)
        if cut:
            annotations[OVER_CAPACITY] = "truncated"
        metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}
        if current is not None:
            metadata = {**current["metadata"], **metadata}
        body: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}
        try:
            if current is None:
                await self.client.create(ENDPOINTS, body, namespace)
            else:
                await self.client.update(ENDPOINTS, body)
        except ApiError as error:
            if is_already_exists(error):
                self.queue.add_after(key_of(service), 0.2)
            elif not namespace_is_terminating(error):
                raise
