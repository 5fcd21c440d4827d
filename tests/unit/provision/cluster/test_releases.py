"""Whoever switches a machine to another release, its way back is noted before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.cluster.artifacts import CURRENT, RELEASES
from kprov.provision.cluster.releases import install_release
from kprov.provision.cluster.upgrading import way_back
from kprov.provision.cluster.upgrading.way_back import PREVIOUS
from kprov.provision.engine import Result, Status


class Machines:
    """An engine of machines with links to releases; what is done to each is taken down."""

    def __init__(self, now: dict[str, str], broken: tuple[str, str] = ("", "")) -> None:
        self.links = {CURRENT: {name: f"{RELEASES}/{run}" for name, run in now.items() if run}, PREVIOUS: {}}
        fact = {"ansible_distribution_major_version": "13"}
        self.facts = {name: {**fact, "kprov_release": run or None} for name, run in now.items()}
        self.done: dict[str, list[str]] = {name: [] for name in now}
        self.warnings: list[str] = []
        self.broken, self.lost, self.only_compared = broken, set[str](), False

    @contextmanager
    def phase(self, title: str, hosts: Any) -> Iterator[None]:
        yield

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def compares(self, host: Any) -> bool:
        return self.only_compared

    def alive(self, hosts: Any = None) -> list[Any]:
        return [host for host in hosts or HOSTS if host.name not in self.lost]

    def module_all(self, calls: dict[str, Any]) -> dict[str, Any]:
        return {name: [self._call(name, *call) for call in given] for name, given in calls.items()}

    def _call(self, name: str, module: str, given: dict[str, Any]) -> Result:
        path = given.get("path", given.get("dest", ""))
        if module == "stat":
            return Result(name, module, Status.OK, data={"stat": {"lnk_source": self.links[path].get(name)}})
        if (name, module) == self.broken:
            self.lost.add(name)
            return Result(name, module, Status.FAILED)
        changed = given.get("state") != "link" or self.links[path].get(name) != given["src"]
        if given.get("state") == "link":
            self.links[path][name] = given["src"]
            self.done[name].append(f"{path} -> {given['src'].removeprefix(RELEASES)}")
        elif module in ("unarchive", "old_releases"):
            self.done[name].append(module)
        return Result(name, module, Status.CHANGED if changed else Status.OK)


HOSTS = [SimpleNamespace(name=name, groups=("node",)) for name in ("w1", "w2")]


def _context(engine: Machines) -> Any:
    release = SimpleNamespace(version="C", archives=[SimpleNamespace(path="c.tar.gz", sha256="c")])
    inventory = SimpleNamespace(
        cluster=SimpleNamespace(releases_kept=3), hosts={host.name: host for host in HOSTS}, group=lambda name: []
    )
    bundle = SimpleNamespace(release_for=lambda debian: release)
    return SimpleNamespace(engine=engine, bundle=bundle, inventory=inventory, ways_back=set(), stale_services={})


SWITCH = ["unarchive", f"{CURRENT} -> /C", "old_releases"]


def test_up_notes_where_the_machines_come_from_and_says_what_it_does() -> None:
    context = _context(engine := Machines({"w1": "B", "w2": "B"}))
    install_release(context, HOSTS)  # type: ignore[arg-type]
    assert engine.done["w1"] == engine.done["w2"] == ["unarchive", f"{PREVIOUS} -> /B", *SWITCH]
    (said,) = engine.warnings
    assert said.startswith("w1, w2: kprov's daemons go from B to C") and "kprov upgrade --rollback" in said
    assert set(context.stale_services) == {"w1", "w2"}
    assert way_back.releases_of(context, HOSTS).goals == {"w1": "B", "w2": "B"}  # type: ignore[arg-type]


@pytest.mark.parametrize("running", ["", "C"])
def test_nothing_is_noted_of_a_machine_that_is_new_or_stays(running: str) -> None:
    context = _context(engine := Machines({"w1": running, "w2": running}))
    install_release(context, HOSTS)  # type: ignore[arg-type]
    assert engine.done["w1"] == SWITCH and engine.warnings == []
    assert not engine.links[PREVIOUS] and context.stale_services == {}


def test_an_upgrade_has_noted_it_and_need_not_be_recommended() -> None:
    context = _context(engine := Machines({"w1": "B", "w2": "B"}))
    way_back.keep_way_back(context, HOSTS, way_back.releases_of(context, HOSTS), dict.fromkeys(("w1", "w2"), "C"))  # type: ignore[arg-type]
    install_release(context, HOSTS[:1])  # type: ignore[arg-type]
    assert engine.done == {"w1": [f"{PREVIOUS} -> /B", *SWITCH], "w2": [f"{PREVIOUS} -> /B"]}
    assert engine.warnings == []


def test_a_plan_changes_no_notes() -> None:
    context = _context(engine := Machines({"w1": "B", "w2": "B"}))
    engine.only_compared = True
    install_release(context, HOSTS)  # type: ignore[arg-type]
    assert engine.done["w1"] == SWITCH and not engine.links[PREVIOUS]


@pytest.mark.parametrize("module", ["unarchive", "baseline"])
def test_a_machine_that_can_not_be_brought_back_is_not_switched(module: str) -> None:
    context = _context(engine := Machines({"w1": "B", "w2": "B"}, broken=("w2", module)))
    install_release(context, HOSTS)  # type: ignore[arg-type]
    assert engine.links[CURRENT] == {"w1": f"{RELEASES}/C", "w2": f"{RELEASES}/B"}


def test_a_machine_that_another_run_has_switched_keeps_what_it_noted() -> None:
    context = _context(engine := Machines({"w1": "B", "w2": "A"}))
    engine.links[PREVIOUS] = {"w1": f"{RELEASES}/A"}
    install_release(context, HOSTS)  # type: ignore[arg-type]
    assert way_back.releases_of(context, HOSTS).goals == {"w1": "A", "w2": "A"}  # type: ignore[arg-type]
