"""Which ways from one release to another there are, and that reset knows of every path that kprov writes."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from kprov.provision.cluster.artifacts import CURRENT
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.sources import roles_folder
from kprov.provision.cluster.upgrading import way_back
from kprov.provision.cluster.upgrading.checks import Sick, skew_problem
from kprov.provision.cluster.upgrading.upgrade import Upgrade
from kprov.provision.cluster.upgrading.way_back import PREVIOUS
from kprov.provision.engine import Result, Status


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


class Links:
    """An engine of machines that have links to releases."""

    def __init__(self, links: dict[str, dict[str, str]]) -> None:
        self.links = links

    def module_all(self, calls: dict[str, Any]) -> dict[str, Result]:
        return {
            name: Result(name, "x", Status.OK, data={"stat": {"lnk_source": self.links[name].get(given["path"])}})
            for name, (_, given) in calls.items()
        }


def test_whom_the_way_back_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def links(now: str, before: str = "") -> dict[str, str]:
        folder = "/opt/kprov/releases/"
        return {CURRENT: folder + now} | ({PREVIOUS: folder + before} if before else {})

    machines = {
        "untouched": links("1", "1"),
        "switched": links("2", "1"),
        "killed-on-its-way-back": links("1", "1"),
        "cordoned": links("1", "1"),
        "new": links("2"),
        "old-certificate": links("2"),
    }
    stale = {"killed-on-its-way-back": ["kubelet"], "old-certificate": ["kubelet"], "untouched": ["containerd"]}
    monkeypatch.setattr(way_back, "stale_units", lambda context, hosts: stale)
    hosts = [_host(name) for name in machines]
    context: Any = SimpleNamespace(engine=Links(machines))
    found = way_back.machines_to_bring_back(context, hosts, {"cordoned"})
    assert [host.name for host in found] == ["switched", "killed-on-its-way-back", "cordoned"]
    with pytest.raises(ClusterError, match="no machine has another release"):
        way_back.machines_to_bring_back(context, hosts[:1], set())


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
