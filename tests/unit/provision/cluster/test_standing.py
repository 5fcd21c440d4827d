"""How etcd's own words become its state, and what may be done to it in that state."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.storage import standing
from kprov.provision.cluster.storage.standing import EtcdState, look_at_etcd
from kprov.provision.cluster.storage.upkeep import healthy_hosts, refuse_without_quorum
from kprov.provision.engine import Result, Status

CP1, CP2, CP3 = (SimpleNamespace(name=f"cp{n}", node_address=f"192.0.2.1{n}") for n in (1, 2, 3))
HOSTS: list[Any] = [CP1, CP2, CP3]


class Engine:
    """Answers as machines do: what is said by name, in the order of the questions."""

    def __init__(self, members: dict[str, dict[str, Any]], unreachable: tuple[str, ...] = ()) -> None:
        self.members = members
        self.unreachable = unreachable
        self.rounds = 0
        self.state = {
            host.name: SimpleNamespace(reason="no route" if host.name in unreachable else "") for host in HOSTS
        }

    def alive(self, hosts: Any) -> list[Any]:
        return [host for host in hosts if host.name not in self.unreachable]

    def module_all(self, calls: dict[str, Any]) -> dict[str, list[Result]]:
        self.rounds += 1
        return {name: self._answers(name) for name in calls}

    def _answers(self, name: str) -> list[Result]:
        said = self.members[name]
        data, runs = said.get("data", True), said.get("runs", True)
        header = {"cluster_id": 1, "member_id": said["id"], "revision": said.get("revision", 5)}
        status = {"header": header, "version": "3.4.23", "leader": said.get("leader", 1), "dbSize": 9, "raftIndex": 3}
        fine, failed = Status.OK, Status.FAILED
        return [
            Result(
                name,
                "status",
                fine if runs else failed,
                "",
                "",
                {"stdout": json.dumps([{"Status": status}])} if runs else {"stderr": "refused"},
            ),
            Result(
                name, "health", fine if runs and said.get("healthy", True) else failed, "", "", {"stderr": "unhealthy"}
            ),
            Result(name, "alarm", fine, "", "", {"stdout": said.get("alarms", "")}),
            Result(name, "stat", fine, "", "", {"stat": {"exists": data}}),
            Result(name, "stat", fine, "", "", {"stat": {"exists": said.get("cut_off", False)}}),
        ]

    def module(self, host: Any, name: str, **arguments: Any) -> Result:
        listed = [
            {
                "ID": f"{said['id']:x}",
                "name": name,
                "peerURLs": [f"https://192.0.2.1{name[-1]}:2380"],
                "isLearner": said.get("learner"),
            }
            for name, said in self.members.items()
            if said.get("member", True)
        ]
        return Result(host.name, name, Status.OK, "", "", {"stdout": json.dumps({"members": listed})})


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "_PAUSE", 0)


def look(members: dict[str, dict[str, Any]], unreachable: tuple[str, ...] = ()) -> EtcdState:
    return look_at_etcd(Engine(members, unreachable), HOSTS)  # type: ignore[arg-type]


def three(**changed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"cp{n}": {"id": n, **changed.get(f"cp{n}", {})} for n in (1, 2, 3)}


def test_all_is_well() -> None:
    state = look(three())
    assert [member.state for member in state.members] == ["leader", "follower", "follower"]
    assert (state.has_quorum, state.can_lose, state.is_well, state.revision) == (True, 1, True, 5)
    assert [host.name for host in healthy_hosts(state, HOSTS)] == ["cp2", "cp3", "cp1"]
    refuse_without_quorum(state)


def test_one_is_gone() -> None:
    state = look(three(), unreachable=("cp3",))
    assert (state.members[2].state, state.members[2].reason) == ("unreachable", "no route")
    assert (state.has_quorum, state.can_lose, state.is_well) == (True, 0, False)


def test_two_are_gone() -> None:
    state = look(three(cp1={"leader": 0, "healthy": False}), unreachable=("cp2", "cp3"))
    assert (state.has_quorum, state.members[0].state) == (False, "no quorum")
    with pytest.raises(ClusterError, match=r"0 of 3 members.*cp2: unreachable.*kprov etcd recover"):
        refuse_without_quorum(state)


def test_an_election_is_waited_for() -> None:
    engine = Engine(three(cp1={"leader": 0}, cp2={"leader": 0}, cp3={"leader": 0}))
    original = engine.module_all

    def elect(calls: dict[str, Any]) -> dict[str, list[Result]]:
        if engine.rounds == 2:
            engine.members = three()
        return original(calls)

    engine.module_all = elect  # type: ignore[method-assign]
    assert look_at_etcd(engine, HOSTS).has_quorum  # type: ignore[arg-type]
    assert engine.rounds == 3


def test_learners_strangers_empty_disks_and_alarms() -> None:
    members = three(
        cp1={"alarms": "memberID:1 alarm:NOSPACE \nmemberID:2 alarm:CORRUPT \n"},
        cp2={"learner": True, "healthy": False},
        cp3={"runs": False, "data": False, "member": False, "cut_off": True},
    )
    members["cp9"] = {"id": 9}
    state = look_at_etcd(Engine(members), HOSTS)  # type: ignore[arg-type]
    assert [member.state for member in state.members] == ["leader", "learner", "no data", "stranger"]
    assert [alarm.strip() for alarm in state.members[0].alarms] == ["NOSPACE"]
    assert (state.voters, state.quorum, state.restore_cut_off) == (2, 2, ["cp3"])
    assert not state.has_quorum
