"""Where a drill takes place: the words for it, and the machines that they mean now."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from kprov.provision.inventory import Host
from kprov.provision.verify.control_plane import leader_of
from kprov.provision.verify.etcdctl import ETCDCTL
from kprov.provision.verify.report import CheckFailed
from kprov.provision.verify.session import Session

_LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{}"


@dataclass(frozen=True, slots=True)
class Place:
    """Machines that are harmed at the same time, and how one calls them."""

    hosts: tuple[Host, ...]
    label: str


def etcd_leader(session: Session) -> Host:
    """The machine of etcd's leader.

    Raises:
        CheckFailed: no member knows one.
    """
    for through in session.alive("etcd"):
        done = session.engine.shell(through.name, [*ETCDCTL, "endpoint", "status", "--cluster", "--write-out=json"])
        for entry in json.loads(done.stdout.splitlines()[0]) if done.stdout.strip() else []:
            status = entry["Status"]
            if status["header"]["member_id"] == status.get("leader"):
                for host in session.inventory.group("etcd"):
                    if entry["Endpoint"] == f"https://{host.node_address}:2379":
                        return host
    raise CheckFailed("etcd has no leader")


def _holder(component: str) -> Callable[[Session], Host]:
    def find(session: Session) -> Host:
        lease = session.api.request("GET", _LEASE.format(component))
        identity = leader_of(lease, datetime.now(UTC))
        for host in session.inventory.group("control_plane"):
            if identity.partition("_")[0] in (host.name, host.name.partition(".")[0]):
                return host
        raise CheckFailed(f"{component} is led by {identity!r}, which is no machine of the inventory")

    return find


_LEADERS: dict[str, Callable[[Session], Host]] = {
    "etcd": etcd_leader,
    "kube-scheduler": _holder("kube-scheduler"),
    "kube-controller-manager": _holder("kube-controller-manager"),
}


def _members(session: Session, group: str) -> list[Host]:
    if group == "machine":
        return list(session.inventory.hosts.values())
    if group == "worker":
        masters = {host.name for name in ("etcd", "control_plane") for host in session.inventory.group(name)}
        return [host for host in session.inventory.group("node") if host.name not in masters]
    return list(session.inventory.group(group))


def _each(group: str) -> Callable[[Session], list[Place]]:
    return lambda session: [Place((host,), host.name) for host in _members(session, group)]


def _one(group: str) -> Callable[[Session], list[Place]]:
    # The last: the first is where people look, and what its address shows.
    return lambda session: [Place((host,), host.name) for host in _members(session, group)[-1:]]


def _all(session: Session) -> list[Place]:
    return [Place(tuple(session.inventory.hosts.values()), "all machines")]


def _leading(component: str) -> Callable[[Session], list[Place]]:
    def find(session: Session) -> list[Place]:
        host = _LEADERS[component](session)
        return [Place((host,), f"{host.name}, leader of {component}")]

    return find


PLACES: dict[str, Callable[[Session], list[Place]]] = {
    **{f"each {group}": _each(group) for group in ("control_plane", "etcd", "node", "worker", "machine")},
    **{f"one {group}": _one(group) for group in ("control_plane", "etcd", "node", "worker", "machine")},
    **{f"leader of {component}": _leading(component) for component in _LEADERS},
    "all machines": _all,
}
"""The words of ``where``. A leader is looked up when its turn has come."""
