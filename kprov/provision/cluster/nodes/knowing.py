"""What the other machines of a cluster must know of one that comes or goes, and the phases that tell them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kprov.provision.cluster.certificates import issue_certificates
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import Phase
from kprov.provision.cluster.restarts import restart_stale_services
from kprov.provision.cluster.up import UP
from kprov.provision.inventory import Host, Inventory

# Its name, in /etc/hosts.
_OF_ANY = frozenset({"machine"})
# Where the API and etcd are: in the load balancers, in the API servers' flags and in their certificates.
_OF_KEEPERS = _OF_ANY | {"haproxy", "kube-apiserver", "keepalived"}
_PROCEDURES_OF_KEEPERS = (issue_certificates, restart_stale_services)


def keeps_the_cluster(host: Host) -> bool:
    """Whether a machine keeps the cluster's state or serves its API."""
    return "etcd" in host.groups or "control_plane" in host.groups


def joining(hosts: Iterable[Host]) -> tuple[Phase, ...]:
    """All that makes a machine a part of the cluster, for these alone."""
    only = ":".join(host.name for host in hosts)
    return tuple(replace(phase, hosts=_within(phase.hosts, only)) for phase in UP)


def telling(hosts: Iterable[Host], inventory: Inventory) -> tuple[Phase, ...]:
    """What the other machines of an inventory are told of these. Those that are gone are in it no more."""
    changed = list(hosts)
    keepers = any(keeps_the_cluster(host) for host in changed)
    roles = _OF_KEEPERS if keepers else _OF_ANY
    procedures = _PROCEDURES_OF_KEEPERS if keepers else ()
    others = ":".join(name for name in inventory.hosts if name not in {host.name for host in changed})
    if not others:
        return ()
    return tuple(
        replace(phase, hosts=_within(phase.hosts, others), title=f"{phase.title}: what the others must know")
        for phase in UP
        if phase.role in roles or (phase.procedure is not None and phase.procedure in procedures)
    )


def leave_strangers_out(context: Context, joining_hosts: Iterable[Host] = ()) -> None:
    """Machines of the inventory that have not joined yet have nothing to be told: they are left alone from here on."""
    names = {host.name for host in joining_hosts}
    joined = {name for name, facts in context.engine.facts.items() if facts.get("kprov_release")}
    context.limit = frozenset(name for name in context.inventory.hosts if name in names | joined)


def _within(pattern: str, names: str) -> str:
    """The machines of a pattern that are among these: a pattern's parts are taken from left to right."""
    return names if pattern == "all" else ":".join([names, f"&{pattern}"])


def without(inventory: Inventory, names: Iterable[str]) -> Inventory:
    """An inventory as it is when these machines are taken out of it."""
    gone = set(names)

    def left(listed: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in listed if name not in gone)

    return replace(
        inventory,
        hosts={name: host for name, host in inventory.hosts.items() if name not in gone},
        groups={name: replace(view, hosts=left(view.hosts)) for name, view in inventory.groups.items()},
        members={name: left(listed) for name, listed in inventory.members.items()},
        layers={name: layers for name, layers in inventory.layers.items() if name not in gone},
    )
