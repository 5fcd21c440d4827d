"""Addresses and ports of Services, with several API servers giving them out at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.services.allocation import ServiceAllocation
from kprov.kube.apiserver.services.bitmap import Full, SharedBitmap, Taken
from kprov.kube.apiserver.storage.keys import Keys
from kprov.kube.apiserver.storage.writer import Outcome, Stored


class Writer:
    """A key-value store with compare and put."""

    def __init__(self) -> None:
        self.values: dict[bytes, Stored] = {}
        self.revision = 0

    async def read(self, key: bytes) -> tuple[Stored | None, int]:
        return self.values.get(key), self.revision

    async def put(self, key: bytes, value: bytes, expected: int, lease: int = 0) -> Outcome:
        found = self.values.get(key)
        if (found.revision if found else 0) != expected:
            return Outcome(False, self.revision, found)
        self.revision += 1
        self.values[key] = Stored(value, self.revision, 0)
        return Outcome(True, self.revision)


@pytest.fixture
def writer() -> Writer:
    return Writer()


def _allocation(writer: Writer, network: str = "10.0.0.0/28") -> ServiceAllocation:
    store: Any = SimpleNamespace(writer=writer, keys=Keys())
    return ServiceAllocation(store, [network], "30000-30003")


def _service(name: str = "s", **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "protocol": "TCP"}]
    return {"kind": "Service", "metadata": {"name": name}, "spec": {"type": "ClusterIP", "ports": ports, **spec}}


async def test_two_servers_never_give_the_same_twice(writer: Writer) -> None:
    ranges: list[SharedBitmap] = [SharedBitmap(writer, b"k", "r", 64) for _ in range(2)]  # type: ignore[arg-type]
    taken = [await ranges[number % 2].take_any() for number in range(64)]
    assert sorted(taken) == list(range(64))
    with pytest.raises(Full):
        await ranges[0].take_any()
    await ranges[0].give_back([7])
    assert await ranges[1].take_any() == 7
    with pytest.raises(Taken):
        await ranges[0].take(7)


async def test_a_cluster_ip_is_given_kept_and_given_back(writer: Writer) -> None:
    allocation = _allocation(writer)
    service = _service()
    await allocation.allocate(service, None, False)
    address = service["spec"]["clusterIP"]
    assert service["spec"]["clusterIPs"] == [address] and service["spec"]["ipFamilies"] == ["IPv4"]
    update = _service()
    await (await allocation.allocate(update, service, False)).commit()
    assert update["spec"]["clusterIP"] == address
    with pytest.raises(ApiError, match="already allocated"):
        await allocation.allocate(_service(clusterIP=address), None, False)
    await allocation.release(update)
    await allocation.allocate(_service(clusterIP=address), None, False)


async def test_what_a_failed_write_took_goes_back(writer: Writer) -> None:
    allocation = _allocation(writer, "10.0.0.0/30")  # two addresses
    for _ in range(5):
        await (await allocation.allocate(_service(), None, False)).undo()
    await allocation.allocate(_service(), None, False)
    await allocation.allocate(_service(), None, False)
    with pytest.raises(ApiError, match="is full"):
        await allocation.allocate(_service(), None, False)


@pytest.mark.parametrize(("address", "said"), [("10.1.0.1", "not in the valid range"), ("nonsense", "valid IP")])
async def test_addresses_outside_are_refused(writer: Writer, address: str, said: str) -> None:
    with pytest.raises(ApiError, match=said) as refused:
        await _allocation(writer).allocate(_service(clusterIP=address), None, False)
    assert refused.value.code == 422


async def test_headless_and_external_services_get_none(writer: Writer) -> None:
    headless, external = _service(clusterIP="None"), _service(type="ExternalName", externalName="x.example")
    for service in (headless, external):
        held = await _allocation(writer).allocate(service, None, False)
        assert not held.taken_addresses
    assert headless["spec"]["clusterIPs"] == ["None"] and "clusterIP" not in external["spec"]


async def test_node_ports(writer: Writer) -> None:
    allocation = _allocation(writer)
    dns = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    service = _service(type="NodePort", ports=dns)
    await allocation.allocate(service, None, False)
    ports = [port["nodePort"] for port in service["spec"]["ports"]]
    assert ports[0] == ports[1] and 30000 <= ports[0] <= 30003  # one number serves both protocols
    with pytest.raises(ApiError, match="provided port is already allocated"):
        await allocation.allocate(_service(type="NodePort", ports=[{"port": 1, "nodePort": ports[0]}]), None, False)
    with pytest.raises(ApiError, match="not in the valid range"):
        await allocation.allocate(_service(type="NodePort", ports=[{"port": 1, "nodePort": 5}]), None, False)
    back = _service(ports=[dict(port) for port in service["spec"]["ports"]])  # to ClusterIP, ports left in
    await (await allocation.allocate(back, service, False)).commit()
    assert all("nodePort" not in port for port in back["spec"]["ports"])
    await allocation.allocate(_service(type="NodePort", ports=[{"port": 1, "nodePort": ports[0]}]), None, False)


async def test_a_dry_run_takes_nothing(writer: Writer) -> None:
    await _allocation(writer).allocate(_service(type="NodePort"), None, True)
    assert not writer.values


@pytest.mark.parametrize(
    "asked", [{"ipFamilies": ["IPv6"]}, {"ipFamilies": ["IPv4", "IPv6"]}, {"ipFamilyPolicy": "RequireDualStack"}]
)
async def test_a_network_that_the_cluster_has_not_is_refused(writer: Writer, asked: dict[str, Any]) -> None:
    allocation = _allocation(writer)
    with pytest.raises(ApiError) as refused:
        await allocation.allocate(_service(**asked), None, False)
    assert refused.value.code == 422
    kept = _service(clusterIP="10.0.0.3", **asked)  # stored before it was refused: it can still be changed
    await allocation.allocate(kept, _service(clusterIP="10.0.0.3", **asked), False)
    headless = _service(clusterIP="None", **asked)  # its endpoints are somebody else's to write
    await allocation.allocate(headless, None, False)
    preferred = _service("p", ipFamilyPolicy="PreferDualStack")
    await allocation.allocate(preferred, None, False)
    assert preferred["spec"]["ipFamilies"] == ["IPv4"]
