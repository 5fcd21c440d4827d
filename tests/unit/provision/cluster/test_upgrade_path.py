"""Which ways from one release to another there are, and that reset knows of every path that kprov writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from kprov.provision.cluster.artifacts import CURRENT, RELEASES
from kprov.provision.cluster.nodes.drain import DrainOptions
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.sources import roles_folder
from kprov.provision.cluster.upgrading import upgrade as upgrading
from kprov.provision.cluster.upgrading import way_back
from kprov.provision.cluster.upgrading.checks import Sick, skew_problem
from kprov.provision.cluster.upgrading.upgrade import Upgrade, UpgradeFailed
from kprov.provision.cluster.upgrading.way_back import PREVIOUS
from kprov.provision.engine import Result, Status
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.kubeapi.client import ClusterApiError


@pytest.mark.parametrize(
    ("now", "wanted", "said"),
    [
        ("0.1.0+aa", "0.1.0+bb", ""),
        ("0.1.0+aa", "0.1.7+bb", ""),
        ("0.1.9+aa", "0.2.0+bb", ""),
        ("", "0.2.0+bb", ""),
        ("0.2.0+aa", "0.1.9+bb", "--rollback"),
        ("0.1.1+aa", "0.1.0+bb", "--rollback"),
        ("0.1.0+aa", "0.3.0+bb", "skips a minor"),
        ("0.9.0+aa", "1.0.0+bb", "skips a minor"),
    ],
)
def test_the_way_of_a_machine(now: str, wanted: str, said: str) -> None:
    problem = skew_problem("w1", now, wanted)
    assert said in problem and bool(said) == bool(problem)


def test_what_the_way_back_may_mend_is_no_reason_against_it() -> None:
    sick = Sick({"cp2": "silent"}, {"cp2": "connection refused", "cp3": "starting"})
    assert sick.machines == {"cp2", "cp3"}
    assert len(sick.problems()) == 3
    assert sick.problems(besides=["cp2", "cp3"]) == []
    (left,) = sick.problems(besides=["cp2"])
    assert "the API server of cp3 is not ready: starting" in left
    assert Sick({"etcd": "it has no leader"}, {}).problems(besides=["cp1"])


def _host(name: str, *groups: str) -> Any:
    return SimpleNamespace(name=name, groups=groups)


@pytest.mark.parametrize(
    ("rollback", "sick", "order"),
    [
        (False, set(), [["cp1"], ["cp2"], ["w1"], ["w2"], ["w3"]]),
        (True, set(), [["w1"], ["w2"], ["w3"], ["cp1"], ["cp2"]]),
        (True, {"cp2", "w3"}, [["cp2"], ["w1"], ["w2"], ["w3"], ["cp1"]]),
    ],
)
def test_who_goes_first(rollback: bool, sick: set[str], order: list[list[str]]) -> None:
    due = [_host("cp1", "control_plane"), _host("w1", "node"), _host("cp2", "etcd"), _host("w2"), _host("w3")]
    work = Upgrade(None, None, rollback, lambda line: None)
    assert [[host.name for host in batch] for batch in work._batches(due, sick)] == order


class Machines:
    """An engine of machines with links to releases; what else is done to them is taken down."""

    def __init__(self, now: dict[str, str], before: dict[str, str]) -> None:
        self.links = {CURRENT: dict(now), PREVIOUS: dict(before)}
        self.done: list[tuple[str, str, str]] = []

    @contextmanager
    def phase(self, title: str, hosts: Any) -> Iterator[None]:
        yield

    def forgive(self, host: Any) -> None:
        pass

    check = True  # nothing is restarted

    def module_all(self, calls: dict[str, Any]) -> dict[str, Any]:
        return {name: [self._call(name, *call) for call in given] for name, given in calls.items()}

    def _call(self, name: str, module: str, given: dict[str, Any]) -> Result:
        path = given.get("path", given.get("dest", ""))
        if module == "stat":
            return Result(name, module, Status.OK, data={"stat": {"lnk_source": self.links[path].get(name)}})
        self.done.append((name, module, path))
        if given.get("state") == "link":
            self.links[path][name] = given["src"]
        return Result(name, module, Status.CHANGED)


def _machines(**links: str) -> tuple[Any, list[Any]]:
    """Machines by what they run and, after a slash, what they ran before: ``cp1="C/B"``."""
    now = {name: f"{RELEASES}/{text.partition('/')[0]}" for name, text in links.items()}
    before = {name: f"{RELEASES}/{text.partition('/')[2]}" for name, text in links.items() if "/" in text}
    return SimpleNamespace(engine=Machines(now, before), ways_back=set()), [_host(name, "node") for name in links]


def _runs(context: Any) -> str:
    return " ".join(link.removeprefix(f"{RELEASES}/") for link in context.engine.links[CURRENT].values())


@pytest.mark.parametrize(
    ("links", "goals"),
    [
        ({"cp1": "B/A", "w1": "B/A"}, "A A"),
        ({"cp1": "C/B", "cp2": "B/B", "w1": "B/B"}, "B B B"),
        # w1 was not reached, and no run has told it so: what it ran before is of the upgrade from A to B.
        ({"cp1": "C/B", "cp2": "B/A", "w1": "B/A"}, "B B B"),
        ({"cp1": "B/B", "w1": "B/A", "w2": "B/A"}, "B B B"),
        # On the way back, killed after w1.
        ({"cp1": "C/B", "w1": "B/B"}, "B B"),
        # There and back, and there again: only who was reached goes back.
        ({"cp1": "A/B", "w1": "B/B"}, "B B"),
        ({"cp1": "B/A", "new": "B"}, "A "),
        ({"cp1": "B", "w1": "B"}, " "),
    ],
)
def test_where_the_way_back_leads(links: dict[str, str], goals: str) -> None:
    context, hosts = _machines(**links)
    assert " ".join(way_back.releases_of(context, hosts).goals.values()) == goals


def test_an_upgrade_that_ended_midway_takes_nobody_further_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way_back, "stale_units", lambda context, hosts: {})
    context, hosts = _machines(cp1="B/A", cp2="B/A", w1="B/A")
    found = way_back.releases_of(context, hosts)
    way_back.keep_way_back(context, hosts, found, dict.fromkeys(("cp1", "cp2", "w1"), "C"))
    first = [(module, path) for name, module, path in context.engine.done if name == "w1"]
    assert first[0] == ("file", PREVIOUS)  # killed after it, there is nowhere to go back to
    context.engine.links[CURRENT]["cp1"] = f"{RELEASES}/C"
    # Another bundle: what cp1 ran before the upgrade that did not end is what it goes back to.
    found = way_back.releases_of(context, hosts)
    way_back.keep_way_back(context, hosts, found, dict.fromkeys(("cp1", "cp2", "w1"), "D"))
    context.engine.links[CURRENT]["cp1"] = f"{RELEASES}/D"
    found = way_back.releases_of(context, hosts)
    due = way_back.machines_to_bring_back(context, hosts, found, {"w1"})
    assert [host.name for host in due] == ["cp1", "w1"]
    assert [host.name for host in way_back.go_back(context, due, found.goals)] == ["cp1"]
    assert _runs(context) == "B B B"
    again = way_back.releases_of(context, hosts)
    assert way_back.machines_to_bring_back(context, hosts, again, set()) == []


def test_whom_the_way_back_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stale = {"killed_on_its_way_back": ["kubelet"], "old_certificate": ["kubelet"], "untouched": ["containerd"]}
    monkeypatch.setattr(way_back, "stale_units", lambda context, hosts: stale)
    context, hosts = _machines(
        untouched="1/1", switched="2/1", killed_on_its_way_back="1/1", cordoned="1/1", new="2", old_certificate="2"
    )
    found = way_back.releases_of(context, hosts)
    due = way_back.machines_to_bring_back(context, hosts, found, {"cordoned"})
    assert [host.name for host in due] == ["switched", "killed_on_its_way_back", "cordoned"]
    context, hosts = _machines(new="2", other="2")
    with pytest.raises(ClusterError, match="no machine has a release to go back to"):
        way_back.machines_to_bring_back(context, hosts, way_back.releases_of(context, hosts), set())


class Nodes:
    """An API that has Nodes alone."""

    def __init__(self, *names: str) -> None:
        self.nodes: dict[str, Any] = {name: {"metadata": {"name": name}, "spec": {}} for name in names}
        self.evictions = 0

    def find(self, wanted: dict[str, Any]) -> Any:
        return self.nodes[wanted["metadata"]["name"]]

    def request(self, method: str, path: str, **given: Any) -> Any:
        if path.endswith("/eviction"):
            self.evictions += 1
            raise ClusterApiError("POST: would violate the pod's disruption budget", 429)
        if path == "/api/v1/pods":
            pod = {"namespace": "default", "name": "web", "uid": "u", "ownerReferences": [{"controller": True}]}
            return {"items": [{"metadata": pod}]}
        node = self.nodes[path.rpartition("/")[2]]
        node["spec"] = given["body"]["spec"]
        node["metadata"]["annotations"] = given["body"]["metadata"]["annotations"]
        return node


def test_a_budget_that_keeps_a_pod_too_long_ends_the_upgrade_with_the_machine_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kprov.provision.cluster.nodes.drain._LOOK_AGAIN", 0.0)
    monkeypatch.setattr(upgrading, "run_phases", lambda *given: pytest.fail("it is upgraded all the same"))

    @contextmanager
    def phase(title: str, hosts: Any) -> Iterator[Any]:
        yield SimpleNamespace(record=lambda *given, **more: None)

    engine = SimpleNamespace(phase=phase, timeouts=Timeouts(drain=0.01), waiting=lambda line: None)
    context: Any = SimpleNamespace(engine=engine, api=Nodes("w1"), limit=None)
    work = Upgrade(DrainOptions(), None, False, lambda line: None)
    with pytest.raises(UpgradeFailed) as raised:
        work._one_batch(context, [_host("w1", "node")], {"w1": "C"}, ["w2"])
    for words in ("default/web: would violate", "--at-deadline delete", "as before: w1", "Left untouched: w2"):
        assert words in str(raised.value)
    assert raised.value.exit_code == 1 and context.api.evictions
    assert context.api.nodes["w1"]["spec"] == {"unschedulable": None}
    assert context.limit is None


def test_every_path_that_a_role_writes_is_noted_before() -> None:
    noted = yaml.safe_load((roles_folder() / "machine/defaults/main.yml").read_text())["baseline_paths"]
    known = (*noted, "/etc/hosts", "/var/lib/kprov")  # a block that is taken out again; kprov's notes
    missing = []
    for tasks in sorted(roles_folder().glob("*/tasks/*.yml")):
        for path in re.findall(r"(?:dest|path): \"?(/[\w./-]+)", tasks.read_text()):
            if not any(path == each or path.startswith(f"{each}/") for each in known):
                missing.append(f"{tasks.relative_to(roles_folder())}: {path}")
    assert missing == []


def test_folders_of_the_system_are_not_taken_for_kprovs() -> None:
    noted = yaml.safe_load((roles_folder() / "machine/defaults/main.yml").read_text())["baseline_paths"]
    assert {str(Path(path)) for path in noted} == set(noted)
    assert not {"/etc", "/opt", "/run", "/var/lib", "/etc/systemd", "/etc/systemd/system", "/usr/lib"} & set(noted)
