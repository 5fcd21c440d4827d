"""How etcd stands: each member as it says of itself, and what its next loss would cost."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kprov.provision.cluster.etcd import DATA, NOT_FINISHED
from kprov.provision.cluster.etcd_members import Door, Member, members
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine import Engine, Result
from kprov.provision.inventory import Host
from kprov.provision.verify.etcdctl import ETCDCTL

_LOOKS = 8
_PAUSE = 0.7


@dataclass(slots=True, kw_only=True)
class MemberState:
    """A machine of the group etcd, or a member that is no machine of it."""

    host: str
    id: str = ""
    state: str
    """``leader``, ``follower``, ``learner``, ``silent`` (it does not answer), ``no quorum``, ``unreachable`` (its
    machine does not), ``no data``, ``removed`` (it has data, and the members list it no more), or ``stranger`` (a
    member that the inventory does not name)."""
    is_healthy: bool = False
    reason: str = ""
    version: str = ""
    cluster_id: str = ""
    revision: int = 0
    raft_index: int = 0
    raft_term: int = 0
    db_size: int = 0
    db_size_in_use: int = 0
    alarms: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class EtcdState:
    """etcd as a whole.

    Attributes:
        members: by machine, then strangers.
        voters: how many members vote, by the members' own list; where nobody gives one, by the inventory.
        restore_cut_off: machines on which a restore was begun and not ended.
    """

    members: list[MemberState]
    voters: int
    restore_cut_off: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> int:
        """How many voters take part."""
        return sum(member.is_healthy and member.state in ("leader", "follower") for member in self.members)

    @property
    def quorum(self) -> int:
        """How many voters must take part."""
        return self.voters // 2 + 1

    @property
    def has_quorum(self) -> bool:
        """Whether it takes writes."""
        return any(member.state == "leader" for member in self.members) and self.healthy >= self.quorum

    @property
    def has_no_data(self) -> bool:
        """Whether no machine that answers has been a member, or has its data still."""
        states = {member.state for member in self.members}
        return "no data" in states and states <= {"no data", "unreachable"}

    @property
    def way_out(self) -> str:
        """What brings a quorum back, where there is none."""
        if not self.has_no_data:
            return "bring a member's machine back; if they are lost for good: kprov etcd recover"
        silent = [member.host for member in self.members if member.state == "unreachable"]
        first = f"bring {', '.join(silent)} back; " if silent else ""
        return f"{first}where there has been no cluster: kprov up; from a snapshot: kprov etcd restore SNAPSHOT"

    @property
    def can_lose(self) -> int:
        """How many members may be lost now, and it goes on."""
        return max(0, self.healthy - self.quorum)

    @property
    def is_well(self) -> bool:
        """Whether every machine of the group is a healthy voter, nobody else is one, and there is no alarm."""
        return self.has_quorum and all(
            member.is_healthy and member.state in ("leader", "follower") and not member.alarms
            for member in self.members
        )

    @property
    def revision(self) -> int:
        """The newest revision that a member has."""
        return max((member.revision for member in self.members), default=0)

    @property
    def leader(self) -> MemberState | None:
        """The member that leads."""
        return next((member for member in self.members if member.state == "leader"), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "voters": self.voters,
            "healthy": self.healthy,
            "quorum": self.quorum,
            "has_quorum": self.has_quorum,
            "can_lose": self.can_lose,
            "revision": self.revision,
            "leader": self.leader.host if self.leader else None,
            "restore_cut_off": self.restore_cut_off,
            "members": [asdict(member) for member in self.members],
        }


def _questions() -> list[tuple[str, dict[str, Any]]]:
    quiet = {"_check": False, "_quiet": True}
    ask = [*ETCDCTL[:-2], "--dial-timeout=2s", "--command-timeout=3s"]
    return [
        ("command", {"argv": [*ask, "endpoint", "status", "--write-out=json"], **quiet}),
        ("command", {"argv": [*ask, "endpoint", "health"], **quiet}),
        ("command", {"argv": [*ask, "alarm", "list"], **quiet}),
        ("stat", {"path": DATA, "_quiet": True}),
        ("stat", {"path": NOT_FINISHED, "_quiet": True}),
    ]


def look_at_etcd(engine: Engine, hosts: Sequence[Host]) -> EtcdState:
    """Ask every machine of the group etcd, all at once. Machines that are not connected are told of as such.

    An election takes a moment, and is no loss of quorum: while enough members answer, they are asked again.
    """
    for _ in range(_LOOKS - 1):
        state = _look(engine, hosts)
        answering = sum(bool(member.version) and member.state != "learner" for member in state.members)
        if state.has_quorum or answering < state.quorum:
            return state
        time.sleep(_PAUSE)
    return _look(engine, hosts)


def _look(engine: Engine, hosts: Sequence[Host]) -> EtcdState:
    alive = engine.alive(hosts)
    answers: Mapping[str, list[Result]] = engine.module_all({host.name: _questions() for host in alive})
    listed = _listed(engine, alive, answers)
    states = {host.name: engine.state[host.name] for host in hosts}
    found = [_state_of(host, answers.get(host.name), listed, states[host.name].reason) for host in hosts]
    known = {f"https://{host.node_address}:2380" for host in hosts}
    found += [
        MemberState(host=member.name or member.peer_url, id=member.id, state="stranger", reason=_stranger(member))
        for member in listed or ()
        if member.peer_url not in known
    ]
    voters = sum(not member.is_learner for member in listed) if listed else len(hosts)
    cut_off = [name for name, given in answers.items() if not given[4].failed and given[4]["stat"]["exists"]]
    return EtcdState(members=found, voters=voters, restore_cut_off=cut_off)


def _stranger(member: Member) -> str:
    return f"the inventory has no machine with {member.peer_url}"


def _listed(engine: Engine, alive: Sequence[Host], answers: Mapping[str, list[Result]]) -> list[Member] | None:
    """The members by their own list: a healthy member's, else any one's."""
    for index in (1, 0):
        for host in alive:
            if not answers[host.name][index].failed:
                try:
                    return members(engine, Door(host))
                except ClusterError:
                    continue
    return None


def _state_of(host: Host, answers: Sequence[Result] | None, listed: list[Member] | None, lost: str) -> MemberState:
    mine = next((each for each in listed or () if each.peer_url == f"https://{host.node_address}:2380"), None)
    found = MemberState(host=host.name, id=mine.id if mine else "", state="silent")
    if answers is None or answers[0].status.name == "UNREACHABLE":
        found.state, found.reason = "unreachable", lost or "it does not answer"
        return found
    status, health, alarms, data, _ = answers
    if status.failed:
        if not data.failed and not data["stat"]["exists"]:
            found.state, found.reason = "no data", "it has never been a member, or its disk was lost"
        elif listed and mine is None:
            found.state, found.reason = "removed", "somebody has taken it out of the list of members"
        else:
            found.reason = _last_line(status)
        return found
    _take(found, json.loads(str(status["stdout"]).splitlines()[0])[0]["Status"])
    found.is_healthy = not health.failed
    if not found.is_healthy:
        found.state = "learner" if mine is not None and mine.is_learner else "no quorum"
        found.reason = _last_line(health)
    found.alarms = [
        line.rpartition("alarm:")[2]
        for line in str(alarms.get("stdout") or "").splitlines()
        if not alarms.failed and f"memberID:{int(found.id or '0', 16)} " in line
    ]
    return found


def _take(found: MemberState, status: dict[str, Any]) -> None:
    header = status["header"]
    found.id = f"{header['member_id']:x}"
    found.cluster_id = f"{header['cluster_id']:x}"
    found.version = status["version"]
    found.revision = header.get("revision", 0)
    found.raft_index, found.raft_term = status.get("raftIndex", 0), status.get("raftTerm", 0)
    found.db_size, found.db_size_in_use = status.get("dbSize", 0), status.get("dbSizeInUse", 0)
    if status.get("isLearner"):
        found.state = "learner"
    elif status.get("leader") == header["member_id"]:
        found.state = "leader"
    elif status.get("leader"):
        found.state = "follower"
    else:
        found.state = "no quorum"


def _last_line(result: Result) -> str:
    said = str(result.get("stderr") or result.get("stdout") or result.message).strip().splitlines()
    for line in reversed(said):
        if "rror" in line or "unhealthy" in line:
            try:
                return str(json.loads(line).get("error") or line)[-300:]
            except ValueError:
                return line.strip()[-300:]
    return said[-1].strip()[-300:] if said else "it does not answer"
