"""What must be true between the parts of an inventory: its groups, its hosts, releases and lifetimes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from kprov.provision.inventory.groups import ALL, REQUIRED, Tree
from kprov.provision.inventory.model import Layer
from kprov.provision.inventory.problems import Locate, ProblemLog, nearest
from kprov.provision.inventory.settings import ClusterSettings

_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def check_groups(tree: Tree, log: ProblemLog) -> None:
    """The groups that kprov needs are there, are not empty, and etcd can have a majority."""
    everything = tree.groups[ALL]
    for name in REQUIRED:
        if name not in tree.groups:
            if everything.damaged:
                continue
            close = nearest(name, [group for group in tree.groups if group not in (*REQUIRED, ALL)], cutoff=0.7)
            log.add(
                tree.groups[close].location if close else everything.location,
                f"group {name} is missing",
                f"rename {close} to {name}?" if close else f"add it below `all:` `children:`; {_PURPOSE[name]}",
            )
        elif not tree.members(name) and not tree.groups[name].damaged:
            log.add(tree.groups[name].location, f"group {name} has no hosts", _PURPOSE[name])
    if "etcd" in tree.groups:
        count = len(tree.members("etcd"))
        if count and count % 2 == 0:
            log.add(
                tree.groups["etcd"].location,
                f"etcd has an even number of members ({count})",
                f"{count} members survive no more failures than {count - 1}: use {count - 1} or {count + 1}",
            )


_PURPOSE = {
    "etcd": "it lists the machines that run etcd (1, 3 or 5)",
    "control_plane": "it lists the machines that run the API server, scheduler and controller manager",
    "node": "it lists the machines that run workloads",
}


def check_defined(tree: Tree, resolved: Mapping[str, Mapping[str, list[Layer]]], log: ProblemLog) -> None:
    """Every host that is named is also described: somewhere it has an address."""
    described = [
        host
        for host in resolved
        if host in tree.groups[ALL].hosts or any(places for _, places in tree.host_variables.get(host, ()))
    ]
    for group in tree.groups.values():
        for host, location in group.hosts.items():
            if host in described or "ansible_host" in resolved[host] or "node_address" in resolved[host]:
                continue
            if _is_address(host):
                continue
            if described:
                close = nearest(host, described)
                log.add(
                    location,
                    f"host {host} of group {group.name} is defined nowhere: it has no ansible_host",
                    f"did you mean {close}, or give {host} an ansible_host?"
                    if close
                    else f"give {host} an ansible_host",
                )
            elif group.name == next(iter(g.name for g in tree.groups.values() if host in g.hosts)):
                log.add(location, f"host {host} has no address", "give it an ansible_host: the address SSH connects to")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def check_host_names(tree: Tree, log: ProblemLog) -> None:
    """Every host's name can be the name of a Node (RFC 1123)."""
    seen: set[str] = set()
    for group in tree.groups.values():
        for host, location in group.hosts.items():
            if host in seen:
                continue
            seen.add(host)
            if len(host) <= 253 and all(len(part) <= 63 for part in host.split(".")) and _NODE_NAME.fullmatch(host):
                continue
            fixed = re.sub(r"[^-a-z0-9.]", "-", host.lower()).strip("-.")
            log.add(
                location,
                f"host name {host!r} can't be a Node's name: lower-case letters, digits, hyphens and dots only",
                f"did you mean {fixed}?" if fixed and fixed != host else None,
            )


def check_release(cluster: ClusterSettings, own: str, locate: Locate, log: ProblemLog) -> None:
    """A kprov installs its own release; an inventory may say which one it is meant for."""
    if cluster.kprov_version != own:
        log.add(
            locate("kprov_version"),
            f"kprov_version is {cluster.kprov_version}, and this is kprov {own}, which installs its own release",
            f"use kprov {cluster.kprov_version} for this cluster, or write {own} to upgrade it",
        )


def check_lifetimes(cluster: ClusterSettings, locate: Locate, log: ProblemLog) -> None:
    """No certificate outlives its authority."""
    if cluster.certificate_lifetime_days > cluster.ca_lifetime_days:
        log.add(
            locate("certificate_lifetime_days"),
            f"certificate_lifetime_days {cluster.certificate_lifetime_days} is more than "
            f"ca_lifetime_days {cluster.ca_lifetime_days}",
            "a certificate is worth nothing after its authority's end",
        )
