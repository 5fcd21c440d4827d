"""Cluster IPs and node ports of Services: given out at creation, kept through updates, given back at deletion."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.services.bitmap import Full, SharedBitmap, Taken
from kprov.kube.apiserver.storage.etcd import EtcdError
from kprov.kube.apiserver.storage.store import Store

_log = logging.getLogger(__name__)
Object = dict[str, Any]
_WITH_PORTS = ("NodePort", "LoadBalancer")


def _invalid(service: Object, field: str, message: str) -> ApiError:
    cause = {"reason": "FieldValueInvalid", "field": field, "message": message}
    return errors.invalid("Service", service["metadata"].get("name", ""), [cause])


def _check_families(service: Object, old: Object | None) -> None:
    """Refuse what needs a network that this cluster has not, unless it is so already. Raises ApiError (422)."""
    spec = service["spec"]
    if old and all(spec.get(field) == old["spec"].get(field) for field in ("ipFamilies", "ipFamilyPolicy")):
        return
    if spec.get("selector") is None and spec.get("clusterIP") == "None":
        return  # headless, and whoever writes its endpoints may write any: nothing is given out
    if spec.get("ipFamilyPolicy") == "RequireDualStack":
        message = 'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
        raise _invalid(service, "spec.ipFamilyPolicy", message)
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family != "IPv4":
            message = f'Invalid value: "{family}": not configured on this cluster'
            raise _invalid(service, f"spec.ipFamilies[{index}]", message)


class Held:
    """What one write took and what it makes free."""

    def __init__(self, allocation: ServiceAllocation) -> None:
        self._allocation = allocation
        self.taken_addresses: list[str] = []
        self.taken_ports: list[int] = []
        self.freed_addresses: list[str] = []
        self.freed_ports: list[int] = []

    async def commit(self) -> None:
        """The write is done: what it gave up goes back."""
        await self._allocation.give_back(self.freed_addresses, self.freed_ports)

    async def undo(self) -> None:
        """The write was not done: what it took goes back."""
        await self._allocation.give_back(self.taken_addresses, self.taken_ports)
        self.taken_addresses, self.taken_ports = [], []


class ServiceAllocation:
    """Gives out addresses and ports.

    Args:
        store: where the ranges are kept.
        networks: --service-cluster-ip-range; the first one, of IPv4.
        ports: --service-node-port-range, "low-high".
    """

    def __init__(self, store: Store, networks: Sequence[str], ports: str) -> None:
        try:
            self._network = ipaddress.IPv4Network(networks[0])
            low, high = (int(part) for part in ports.split("-"))
        except ValueError as error:
            raise DaemonError(
                f"--service-cluster-ip-range or --service-node-port-range cannot be used: {error}"
            ) from error
        if len(networks) > 1:
            raise DaemonError("--service-cluster-ip-range: kprov implements one network, of IPv4")
        self._base = int(self._network.network_address) + 1
        size = self._network.num_addresses - 2
        root = store.keys.root
        self._addresses = SharedBitmap(
            store.writer, f"{root}/ranges/serviceips".encode(), str(self._network), size, min(max(16, size // 16), 256)
        )
        self._low, self._high = low, high
        count = high - low + 1
        self._ports = SharedBitmap(
            store.writer, f"{root}/ranges/servicenodeports".encode(), ports, count, min(max(16, count // 32), 128)
        )

    @property
    def first_address(self) -> str:
        """The address of the Service kubernetes."""
        return str(ipaddress.IPv4Address(self._base))

    async def allocate(self, service: Object, old: Object | None, dry_run: bool) -> Held:
        """Fill in a Service's addresses and ports. Raises ApiError where what it asks for cannot be had."""
        held = Held(self)
        try:
            await self._allocate_address(service, old, held, dry_run)
            await self._allocate_ports(service, old, held, dry_run)
        except BaseException:
            await held.undo()
            raise
        return held

    async def _allocate_address(self, service: Object, old: Object | None, held: Held, dry_run: bool) -> None:
        spec, before = service["spec"], _address(old) if old else ""
        if spec.get("type") == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
                spec.pop(name, None)
            if before:
                held.freed_addresses.append(before)
            return
        _check_families(service, old)
        wanted = spec.get("clusterIP") or (spec.get("clusterIPs") or [""])[0]
        if not wanted and old and (old["spec"].get("clusterIP")):
            wanted = old["spec"]["clusterIP"]
        if not wanted and dry_run:
            wanted = ""
        elif not wanted:
            wanted = await self._any_address(service)
            held.taken_addresses.append(wanted)
        elif wanted not in ("None", before) and not dry_run:
            await self._this_address(service, wanted)
            held.taken_addresses.append(wanted)
        if before and before != wanted:
            held.freed_addresses.append(before)
        if wanted:
            spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    async def _any_address(self, service: Object) -> str:
        try:
            return str(ipaddress.IPv4Address(self._base + await self._addresses.take_any()))
        except Full:
            raise errors.internal(f"failed to allocate a serviceIP: range {self._network} is full") from None

    async def _this_address(self, service: Object, wanted: str) -> None:
        shown = f'Invalid value: ["{wanted}"]: failed to allocate IP {wanted}: '
        try:
            number = int(ipaddress.IPv4Address(wanted)) - self._base
        except ValueError:
            raise _invalid(
                service, "spec.clusterIPs[0]", f'Invalid value: "{wanted}": must be a valid IP address'
            ) from None
        if not 0 <= number < self._network.num_addresses - 2:
            raise _invalid(
                service,
                "spec.clusterIPs",
                f"{shown}the provided IP ({wanted}) is not in the valid range. "
                f"The range of valid IPs is {self._network}",
            )
        try:
            await self._addresses.take(number)
        except Taken:
            raise _invalid(service, "spec.clusterIPs", f"{shown}provided IP is already allocated") from None

    async def _allocate_ports(self, service: Object, old: Object | None, held: Held, dry_run: bool) -> None:
        spec = service["spec"]
        ports: list[Object] = spec.get("ports") or []
        before = set(_ports(old)) if old else set()
        with_ports = spec.get("type") in _WITH_PORTS
        if not with_ports:
            if old:  # a port that was only kept from a former type goes; one that is newly asked for is an error
                for port in ports:
                    if port.get("nodePort") in before:
                        port.pop("nodePort")
        else:
            if old and old["spec"].get("type") in _WITH_PORTS:
                known = {
                    (port.get("port"), port.get("protocol", "TCP")): port.get("nodePort")
                    for port in old["spec"].get("ports") or ()
                }
                for port in ports:
                    kept = known.get((port.get("port"), port.get("protocol", "TCP")))
                    if not port.get("nodePort") and kept:
                        port["nodePort"] = kept
            wants = spec.get("type") == "NodePort" or spec.get("allocateLoadBalancerNodePorts", True)
            shared: dict[tuple[int, str], int] = {}  # one number may serve several protocols
            mine: set[int] = set()
            for position, port in enumerate(ports):
                number = port.get("nodePort")
                if number:
                    if number not in before and number not in mine and not dry_run:
                        await self._this_port(service, position, number)
                        held.taken_ports.append(number)
                elif wants and not dry_run:
                    number = next(
                        (given for (same, protocol), given in shared.items()
                         if same == port.get("port") and protocol != port.get("protocol", "TCP")),
                        0,
                    )  # fmt: skip
                    if not number:
                        number = await self._any_port()
                        held.taken_ports.append(number)
                    port["nodePort"] = number
                if number:
                    mine.add(number)
                    shared[port.get("port", 0), port.get("protocol", "TCP")] = number
        await self._allocate_health_port(service, old, held, dry_run)
        now = set(_ports(service))
        held.freed_ports += sorted(before - now)

    async def _allocate_health_port(self, service: Object, old: Object | None, held: Held, dry_run: bool) -> None:
        spec = service["spec"]
        needed = spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
        before = (old or {"spec": {}})["spec"].get("healthCheckNodePort")
        if not needed:
            spec.pop("healthCheckNodePort", None)
        elif before:
            spec["healthCheckNodePort"] = before
        elif spec.get("healthCheckNodePort"):
            if not dry_run:
                await self._this_port(service, -1, spec["healthCheckNodePort"])
                held.taken_ports.append(spec["healthCheckNodePort"])
        elif not dry_run:
            spec["healthCheckNodePort"] = await self._any_port()
            held.taken_ports.append(spec["healthCheckNodePort"])

    async def _any_port(self) -> int:
        try:
            return self._low + await self._ports.take_any()
        except Full:
            raise errors.internal("failed to allocate a nodePort: range is full") from None

    async def _this_port(self, service: Object, position: int, number: int) -> None:
        field = f"spec.ports[{position}].nodePort" if position >= 0 else "spec.healthCheckNodePort"
        if not self._low <= number <= self._high:
            raise _invalid(
                service,
                field,
                f"Invalid value: {number}: provided port is not in the valid range. "
                f"The range of valid ports is {self._low}-{self._high}",
            )
        try:
            await self._ports.take(number - self._low)
        except Taken:
            raise _invalid(service, field, f"Invalid value: {number}: provided port is already allocated") from None

    async def release(self, service: Object) -> None:
        """Give back what a deleted Service held."""
        address = _address(service)
        await self.give_back([address] if address else [], _ports(service))

    async def give_back(self, addresses: Iterable[str], ports: Iterable[int]) -> None:
        """Give back; what fails stays taken until it is found by the next repair."""
        numbers = [int(ipaddress.IPv4Address(address)) - self._base for address in addresses]
        size = self._network.num_addresses - 2
        try:
            await self._addresses.give_back(number for number in numbers if 0 <= number < size)
            await self._ports.give_back(port - self._low for port in ports if self._low <= port <= self._high)
        except EtcdError as error:
            _log.warning("addresses or ports of a Service were not given back: %s", error)

    async def mark_used(self, services: Iterable[Object]) -> None:
        """See to it that what Services hold is taken: a range may be new, or restored from an old backup."""
        addresses: set[int] = set()
        ports: set[int] = set()
        size = self._network.num_addresses - 2
        for service in services:
            address = _address(service)
            if address:
                addresses.add(int(ipaddress.IPv4Address(address)) - self._base)
            ports.update(port - self._low for port in _ports(service) if self._low <= port <= self._high)
        await self._addresses.mark(number for number in addresses if 0 <= number < size)
        await self._ports.mark(ports)


def _address(service: Object) -> str:
    """The cluster IP that a Service holds, or nothing."""
    spec = service.get("spec") or {}
    address = spec.get("clusterIP") or ""
    return "" if address == "None" or spec.get("type") == "ExternalName" or ":" in address else address


def _ports(service: Object) -> list[int]:
    """The node ports that a Service holds."""
    spec = service.get("spec") or {}
    found = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        found.add(spec["healthCheckNodePort"])
    return sorted(found)
