"""Which daemons are restarted before they are waited for, and where the virtual address is meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.cluster import coming_anew, virtual_address
from kprov.provision.engine.result import Result, Status


class Machines:
    """An engine that writes down what it is asked to do; commands end as `answers` says."""

    check = False

    def __init__(self, *, holds: bool = True) -> None:
        self.done: list[str] = []
        self.holds = holds

    def module_all(self, calls: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Result]:
        for name, (_, given) in calls.items():
            self.done.append(f"{name} {given['name']} {given['state']}")
        return {name: Result(name, "x", Status.OK) for name in calls}

    def module(self, host: Any, module: str, **given: Any) -> Result:
        assert module == "command"
        return Result(host.name, "x", Status.OK if self.holds else Status.FAILED)


def _host(name: str) -> Any:
    return SimpleNamespace(name=name, groups=["control_plane"])


HOSTS = [_host("cp1"), _host("cp2"), _host("cp3")]


@pytest.mark.parametrize(
    ("sick", "stale", "done"),
    [
        ({}, {"cp1": ["kube-apiserver"]}, []),
        ({"cp1": "down"}, {"cp1": ["kubelet"]}, []),
        ({"cp1": "down"}, {"cp1": ["kube-apiserver", "kubelet"]}, ["cp1 kube-apiserver restarted"]),
    ],
)
def test_only_what_is_sick_and_replaced_begins_anew(
    monkeypatch: pytest.MonkeyPatch, sick: dict[str, str], stale: dict[str, list[str]], done: list[str]
) -> None:
    engine = Machines()
    asked: list[str] = []
    monkeypatch.setattr(coming_anew, "sick_api_servers", lambda context, hosts: sick)
    monkeypatch.setattr(
        coming_anew, "stale_units", lambda context, hosts: {h.name: stale.get(h.name, []) for h in hosts}
    )
    monkeypatch.setattr(
        coming_anew, "api_servers_answer", lambda context, hosts: asked.extend(host.name for host in hosts)
    )
    coming_anew.api_servers_come(SimpleNamespace(engine=engine), HOSTS[:1])  # type: ignore[arg-type]
    assert engine.done == done and asked == ["cp1"]


@pytest.mark.parametrize(
    ("address", "holds", "sick", "moves"),
    [
        ("10.0.0.9", True, {}, True),
        ("10.0.0.9", True, {"cp2": "down"}, True),
        ("10.0.0.9", True, {"cp2": "down", "cp3": "down"}, False),  # nobody else could serve on it
        ("10.0.0.9", False, {}, False),
        ("", True, {}, False),
    ],
)
def test_the_address_leaves_where_another_machine_can_serve_on_it(
    monkeypatch: pytest.MonkeyPatch, address: str, holds: bool, sick: dict[str, str], moves: bool
) -> None:
    engine = Machines(holds=holds)
    inventory = SimpleNamespace(cluster=SimpleNamespace(api_virtual_address=address), group=lambda name: HOSTS)
    monkeypatch.setattr(virtual_address, "sick_api_servers", lambda context, hosts: sick)
    context: Any = SimpleNamespace(engine=engine, inventory=inventory)

    def restart() -> None:
        with virtual_address.handed_over(context, HOSTS[0]):
            engine.done.append("restart")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        restart()
    around = ["cp1 keepalived stopped", "restart", "cp1 keepalived started"]
    assert engine.done == (around if moves else ["restart"])
