"""Machines join a cluster that stands: new ones, and one that takes the name and address of one that is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.etcd import DATA
from kprov.provision.cluster.joining import node_labels
from kprov.provision.cluster.nodes.knowing import joining, leave_strangers_out, telling
from kprov.provision.cluster.phase import ClusterError, Phase
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host, Inventory
from kprov.provision.kubeapi import nodes
from kprov.provision.kubeapi.client import ClusterApiError

_ALIVE_SECONDS = 40.0  # upstream's node-monitor-grace-period


class JoinRefused(ClusterError):
    """The machine can't join as it was asked for. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Joining:
    """Machines that join."""

    hosts: tuple[Host, ...]
    replaces: bool = False
    """They take the places of lost ones with the same names."""

    def phases(self, inventory: Inventory) -> tuple[Phase, ...]:
        """All phases: whether it may be, the new machines', and what the others must know."""
        names = ":".join(host.name for host in self.hosts)
        first = Phase("Look whether they may join", names, procedure=self._check, whole=True, essential=True)
        before = [first]
        if self.replaces:
            forget = Phase("Forget the lost ones", names, procedure=self._forget, whole=True, essential=True)
            before.append(forget)
        return (*before, *joining(self.hosts), *self._telling(inventory))

    def _telling(self, inventory: Inventory) -> tuple[Phase, ...]:
        phases = telling(self.hosts, inventory)
        return tuple(replace(phase, essential=False) for phase in phases)

    def _check(self, context: Context, hosts: list[Host]) -> None:
        """The cluster answers, and the machines are what they are taken for.

        Raises:
            JoinRefused: they are not.
        """
        engine = context.engine
        leave_strangers_out(context, self.hosts)
        try:
            context.api.request("GET", "/readyz")
        except ClusterApiError as error:
            raise JoinRefused(
                f"there is no cluster to join: no API server answers: {error}. Raise it: kprov up"
            ) from None
        missing = [host.name for host in self.hosts if host.name not in {each.name for each in hosts}]
        if missing:
            raise JoinRefused(f"{', '.join(missing)} can't be reached, so they can't join")
        with engine.phase("What is on the machines", hosts) as phase:
            found = engine.module_all({host.name: ("stat", {"path": DATA, "_quiet": True}) for host in hosts})
            for host in hosts:
                has_data = not found[host.name].failed and found[host.name]["stat"]["exists"]
                if (
                    self.replaces
                    and engine.facts[host.name].get("kprov_release")
                    and not self._is_half_done(context, host)
                ):
                    raise JoinRefused(
                        f"{host.name} is no new machine: kprov's daemons are on it"
                        + (", and etcd's data" if has_data else "")
                        + ". To mend it: kprov up --limit "
                        + host.name
                    )
                phase.record(host, "May join")

    def _is_half_done(self, context: Context, host: Host) -> bool:
        """Whether an earlier run of the same command was cut off: its last step is to give the new Node its labels."""
        node = nodes.find_node(context.api, host.name)
        return (
            node is None
            or not nodes.is_ready(node)
            or not node_labels(host).items() <= (node["metadata"].get("labels") or {}).items()
        )

    def _forget(self, context: Context, hosts: list[Host]) -> None:
        """Delete the lost ones' Nodes, and so their pods. What etcd has of them is for the phase that forms it.

        Raises:
            JoinRefused: a kubelet says that it lives.
        """
        with context.engine.phase("Forget the lost ones", hosts) as phase:
            found = {host.name: nodes.find_node(context.api, host.name) for host in hosts}
            fresh = [
                host.name
                for host in hosts
                if not context.engine.facts[host.name].get("kprov_release") and found[host.name] is not None
            ]
            if not context.engine.check:
                _wait_for_silence(context, fresh)
            for host in hosts:
                if host.name in fresh and not context.engine.compares(host):
                    nodes.delete_node(context.api, host.name)
                phase.record(host, "Node of the lost one", changed=host.name in fresh)


def _wait_for_silence(context: Context, names: Sequence[str]) -> None:
    """Wait until the kubelets of lost machines have not been heard of for as long as upstream gives them.

    Raises:
        JoinRefused: one renews its lease meanwhile.
        ClusterError: a lease is from a future that does not come.
    """
    wait = Wait(
        f"the last word of the lost {', '.join(names)} to be {_ALIVE_SECONDS:.0f} s old",
        "nodes",
        context.engine.timeouts,
        context.engine.waiting,
        ClusterError,
    )
    first = {name: _renewed(context, name) for name in names}
    last = dict(first)
    while True:
        alive = [name for name in names if last[name] != first[name]]
        if alive:
            raise JoinRefused(
                f"the kubelet of {', '.join(alive)} renews its lease, so the machine that is to be replaced is alive "
                "somewhere: switch it off first"
            )
        now = datetime.now(UTC)
        if all((now - said).total_seconds() >= _ALIVE_SECONDS for said in last.values()):
            return
        wait.longer("where it takes longer, its clock is ahead of this computer's", pause=1.0)
        last = {name: _renewed(context, name) for name in names}


def _renewed(context: Context, name: str) -> datetime:
    """When a kubelet was last heard of; long ago where it never was."""
    try:
        lease = context.api.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
    except ClusterApiError as error:
        if error.code != 404:
            raise
        lease = {}
    text = str(lease.get("spec", {}).get("renewTime") or "1970-01-01T00:00:00Z")
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
