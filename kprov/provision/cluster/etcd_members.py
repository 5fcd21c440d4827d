"""Asks etcd of its members: whom the cluster lists, who takes part, by way of a machine that has etcdctl."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine import Engine
from kprov.provision.inventory import Host
from kprov.provision.verify.etcdctl import ETCDCTL

_LOCAL = "https://127.0.0.1:2379"


@dataclass(frozen=True, slots=True)
class Door:
    """A way to ask etcd: the machine that etcdctl runs on, and the members that it asks."""

    host: Host
    endpoints: str = _LOCAL


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the cluster lists it; ``name`` is "" until it has run for the first time."""

    id: str
    name: str
    peer_url: str
    is_learner: bool


def peer_url(host: Host) -> str:
    """Where the other members reach a machine's etcd."""
    return f"https://{host.node_address}:2380"


def etcdctl(engine: Engine, door: Door, *arguments: str) -> tuple[bool, str]:
    """Run etcdctl. Returns: whether it succeeded, and what it printed."""
    program = [f"--endpoints={door.endpoints}" if word.startswith("--endpoints=") else word for word in ETCDCTL]
    result = engine.module(door.host, "command", _check=False, argv=[*program, *arguments])
    return not result.failed, str(result.get("stdout") or "") + str(result.get("stderr") or "")


def members(engine: Engine, door: Door) -> list[Member]:
    """The members that the cluster lists.

    Raises:
        ClusterError: the cluster does not answer.
    """
    fine, output = etcdctl(engine, door, "member", "list", "--write-out=json", "--hex")
    if not fine:
        raise ClusterError(f"{door.host.name}: etcd does not list its members: {output.strip()}")
    listed = []
    for entry in json.loads(output.splitlines()[0])["members"]:
        number = entry["ID"]
        listed.append(
            Member(
                id=number if isinstance(number, str) else f"{number:x}",
                name=entry.get("name", ""),
                peer_url=entry["peerURLs"][0],
                is_learner=bool(entry.get("isLearner")),
            )
        )
    return listed


def first_healthy(engine: Engine, hosts: Sequence[Host]) -> Door | None:
    """A member that takes part, where there is one."""
    for host in hosts:
        if etcdctl(engine, Door(host), "endpoint", "health")[0]:
            return Door(host)
    return None


def learners(engine: Engine, through: Door) -> list[Member]:
    """Those that have run and do not vote yet."""
    return [member for member in members(engine, through) if member.is_learner and member.name]
