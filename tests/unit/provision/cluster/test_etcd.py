"""How etcd's cluster is formed, by what is found: against a stand-in for the machines that keeps etcd's own rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.cluster.etcd import NOT_FINISHED, form_etcd
from kprov.provision.cluster.lost_members import lost_members, remember_lost
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine import Result, Status
from kprov.provision.inventory import Inventory, load
from kprov.provision.inventory.timeouts import Timeouts

INVENTORY = """
all:
  children:
    etcd: {hosts: {"cp[1:3]": {}}}
    control_plane:
      hosts:
        cp1: {ansible_host: 192.0.2.11}
        cp2: {ansible_host: 192.0.2.12}
        cp3: {ansible_host: 192.0.2.13}
    node: {hosts: {cp1: }}
"""


class Machines:
    """Disks and members. etcd's rules: a member that joins must have been added; two thirds must be healthy."""

    check = False

    def __init__(self, inventory: Inventory) -> None:
        self.timeouts = Timeouts()
        self.told: list[str] = []
        self.waiting = self.told.append
        self.inventory = inventory
        self.data: set[str] = set()
        self.running: set[str] = set()
        self.cut_off: set[str] = set()
        self.members: dict[str, dict[str, Any]] = {}  # by machine
        self.files: dict[str, str] = {}
        self.log: list[str] = []

    @contextmanager
    def phase(self, title: str, hosts: Any) -> Iterator[None]:
        yield

    def module_all(self, tasks: dict[str, Any]) -> dict[str, Result]:
        found: dict[str, Any] = {}
        for name, given in tasks.items():
            calls = [given] if isinstance(given, tuple) else given
            results = [self.module(name, module, **arguments) for module, arguments in calls]
            found[name] = results[0] if isinstance(given, tuple) else results
        return found

    def module(self, host: Any, module: str, **arguments: Any) -> Result:
        name = getattr(host, "name", host)
        data: dict[str, Any] = {}
        status = Status.OK
        if module == "stat":
            data = {"stat": {"exists": name in (self.cut_off if arguments["path"] == NOT_FINISHED else self.data)}}
        elif module == "copy":
            self.files[name] = arguments["content"]
        elif module == "systemd" and arguments["state"] == "stopped":
            self.running.discard(name)
        elif module == "systemd":
            self._start(name)
        elif arguments["argv"][0] == "sh":
            self.data.discard(name)
        else:
            argv = arguments["argv"]
            fine, output = self._etcdctl(name, argv[1].removeprefix("--endpoints=").split(","), argv[7:])
            status = Status.OK if fine else Status.FAILED
            data = {"stdout": output, "stderr": ""}
        return Result(host=name, task=module, status=status, data=data)

    def _start(self, name: str) -> None:
        if name not in self.data:
            content = self.files[name]
            if "STATE=new" in content:
                assert not self.members, "a new cluster beside an old one"
                self.members[name] = {"name": name, "learner": False}
            else:
                assert name in self.members, f"{name} was never added"
                self.members[name]["name"] = name
            self.data.add(name)
        self.running.add(name)
        self.log.append(f"start {name}")

    def _voters_up(self) -> bool:
        voters = [name for name, member in self.members.items() if not member["learner"]]
        return len([name for name in voters if name in self.running]) > len(voters) // 2

    def _etcdctl(self, asking: str, endpoints: list[str], words: list[str]) -> tuple[bool, str]:
        names = {host.node_address: host.name for host in self.inventory.hosts.values()} | {"127.0.0.1": asking}
        asked = [names[endpoint.split("//")[1].split(":")[0]] for endpoint in endpoints]
        if not self.running & set(asked):
            return False, "connection refused"
        match words:
            case ["endpoint", "health", "--cluster"]:
                return all(name in self.running for name in self.members), ""
            case ["endpoint", "health"]:
                return self._voters_up() and set(asked) <= self.running, ""
            case ["member", "list", *_]:
                listed = [
                    {
                        "ID": index + 1,
                        "name": member["name"],
                        "peerURLs": [f"https://{self.inventory.hosts[name].node_address}:2380"],
                        "isLearner": member["learner"],
                    }
                    for index, (name, member) in enumerate(self.members.items())
                ]
                return True, json.dumps({"members": listed})
            case ["member", "add", name, "--learner", _]:
                assert not any(member["learner"] for member in self.members.values()), "two learners at once"
                self.members[name] = {"name": "", "learner": True}
            case ["member", "promote", number]:
                name = list(self.members)[int(number, 16) - 1]
                self.members[name]["learner"] = False
            case ["member", "remove", number]:
                del self.members[list(self.members)[int(number, 16) - 1]]
            case _:
                raise AssertionError(words)
        self.log.append(" ".join(words[:3]))
        return True, ""


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)
    return Machines(load(path))


def form(machines: Machines, *without: str, limited: bool = False) -> None:
    hosts = [host for host in machines.inventory.group("etcd") if host.name not in without]
    limit = frozenset(host.name for host in hosts) if limited else None
    context = SimpleNamespace(engine=machines, inventory=machines.inventory, limit=limit)
    form_etcd(context, hosts)  # type: ignore[arg-type]


def is_whole(machines: Machines) -> bool:
    return len(machines.members) == 3 and all(m["name"] and not m["learner"] for m in machines.members.values())


def test_from_nothing_one_begins_and_the_others_join_one_by_one(machines: Machines) -> None:
    form(machines)
    assert is_whole(machines)
    assert [line.split()[0] for line in machines.log] == [
        "start",
        "member",
        "start",
        "member",
        "member",
        "start",
        "member",
    ]


def test_again_changes_no_member(machines: Machines) -> None:
    form(machines)
    machines.log.clear()
    form(machines)
    assert not [line for line in machines.log if line.startswith("member")]


@pytest.mark.parametrize("added_only", [True, False])
def test_it_goes_on_where_it_was_killed(machines: Machines, added_only: bool) -> None:
    machines.data, machines.running = {"cp1"}, {"cp1"}
    machines.members = {"cp1": {"name": "cp1", "learner": False}, "cp2": {"name": "", "learner": True}}
    if not added_only:
        machines.data.add("cp2")
        machines.members["cp2"]["name"] = "cp2"
    form(machines)
    assert is_whole(machines)


def test_an_empty_disk_is_no_member_any_more(machines: Machines) -> None:
    form(machines)
    machines.data.remove("cp3")
    machines.running.remove("cp3")
    form(machines)
    assert is_whole(machines)
    assert "member remove 3" in machines.log


def test_nothing_is_begun_while_a_machine_that_may_hold_data_is_silent(machines: Machines) -> None:
    with pytest.raises(ClusterError, match="cp3 does not answer"):
        form(machines, "cp3")
    assert not machines.log


@pytest.mark.parametrize("without", [("cp3",), ("cp1", "cp2")])
def test_a_limited_run_never_begins_a_cluster(machines: Machines, without: tuple[str, ...]) -> None:
    with pytest.raises(ClusterError, match=f"{without[0]}.* left out by --limit"):
        form(machines, *without, limited=True)
    assert not machines.log


def test_a_limited_run_joins_the_cluster_of_those_that_it_leaves_alone(machines: Machines) -> None:
    machines.data, machines.running = {"cp1"}, {"cp1"}
    machines.members = {"cp1": {"name": "cp1", "learner": False}}
    form(machines, "cp1", "cp3", limited=True)
    assert machines.running == {"cp1", "cp2"}
    assert not machines.members["cp2"]["learner"]
    assert "start cp1" not in machines.log


def test_a_machine_whose_disk_was_lost_comes_back_in_a_limited_run(machines: Machines) -> None:
    form(machines)
    machines.data.remove("cp3")
    machines.running.remove("cp3")
    form(machines, "cp1", "cp2", limited=True)
    assert is_whole(machines)


def test_a_machine_that_is_lost_meanwhile_is_left_out(machines: Machines) -> None:
    form(machines)
    answer = machines.module
    lost = Result("cp2", "stat", Status.UNREACHABLE)
    machines.module = lambda host, module, **given: (  # type: ignore[method-assign]
        lost if getattr(host, "name", host) == "cp2" else answer(host, module, **given)
    )
    form(machines)
    assert is_whole(machines)


def test_no_quorum_is_said_and_nothing_is_added(machines: Machines) -> None:
    machines.timeouts = machines.timeouts.changed({"quorum": 0.001})
    machines.data = {"cp1"}
    machines.members = {name: {"name": name, "learner": False} for name in ("cp1", "cp2", "cp3")}
    with pytest.raises(ClusterError, match="a quorum of etcd"):
        form(machines, "cp2", "cp3")
    assert machines.log == ["start cp1"]


def test_data_of_a_cluster_that_is_no_more_are_put_aside(machines: Machines) -> None:
    form(machines)
    state = machines.inventory.cluster.state_directory
    # Quorum was lost, and cp1 alone was made a new cluster; the others come back with what they had.
    machines.members = {"cp1": machines.members["cp1"]}
    machines.running = {"cp1"}
    remember_lost(state, ["cp2", "cp3"])
    form(machines)
    assert {name: member["learner"] for name, member in machines.members.items()} == dict.fromkeys(
        ["cp1", "cp2", "cp3"], False
    )
    assert lost_members(state) == []


def test_a_member_that_somebody_took_out_joins_anew(machines: Machines) -> None:
    form(machines)
    del machines.members["cp3"]
    machines.running.remove("cp3")  # etcd ends when it is told that it is no member
    machines.log.clear()
    form(machines)
    assert is_whole(machines)
    assert machines.log[0].startswith("start cp1") and "member add cp3" in machines.log
    assert machines.log.index("member add cp3") < machines.log.index("start cp3")


def test_of_two_clusters_none_is_put_aside(machines: Machines) -> None:
    form(machines)
    machines.log.clear()
    machines.members = {"cp1": machines.members["cp1"]}  # somebody has made a cluster of cp1 alone
    with pytest.raises(ClusterError, match=r"two clusters of etcd: cp2, cp3 have data.* cp1 lists"):
        form(machines)
    assert machines.data == {"cp1", "cp2", "cp3"} and machines.log == []


def test_a_restore_that_was_cut_off_comes_first(machines: Machines) -> None:
    form(machines)
    machines.cut_off = {"cp2"}
    before = list(machines.log)
    with pytest.raises(ClusterError, match="cut off on cp2: run the same `kprov etcd restore`"):
        form(machines)
    assert machines.log == before
