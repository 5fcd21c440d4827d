"""What must be true between the parts of an inventory: groups, addresses, lifetimes, files."""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kprov.provision.inventory.groups import ALL, REQUIRED, Tree
from kprov.provision.inventory.model import Host, Layer
from kprov.provision.inventory.problems import Location, ProblemLog, nearest
from kprov.provision.inventory.settings import AUTHORITY_SETTINGS, ClusterSettings

Locate = Callable[[str], Location]
Say = Callable[[Location, str, str | None], None]

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


def check_addresses(hosts: Mapping[str, Host], where: Mapping[str, Locate], log: ProblemLog) -> None:
    """No two machines at one address, and each at one that the others can reach."""
    ssh_seen: dict[tuple[str, int], str] = {}
    node_seen: dict[str, str] = {}
    for host in hosts.values():
        locate = where[host.name]
        first = ssh_seen.setdefault((host.address, host.port), host.name)
        if first != host.name:
            log.add(
                locate("ansible_host"),
                f"hosts {first} and {host.name} have the same address, {host.address}:{host.port}",
                "give one of them its own ansible_host or ansible_port",
            )
        if not host.node_address:
            log.add(
                locate("ansible_host"),
                f"host {host.name} has no IPv4 address that other machines can use: {host.address} is a name or IPv6",
                f"give {host.name} a node_address",
            )
            continue
        address = ipaddress.IPv4Address(host.node_address)
        owner = "node_address" if "node_address" in host.variables else "ansible_host"
        if address.is_loopback and len(hosts) > 1:
            log.add(
                locate(owner),
                f"host {host.name}: other machines can't reach {address}, which is every machine's own loopback",
                f"give {host.name} a node_address on the network that the machines share",
            )
            continue
        twin = node_seen.setdefault(host.node_address, host.name)
        if twin != host.name and first == host.name:
            log.add(
                locate(owner),
                f"hosts {twin} and {host.name} have the same node_address, {address}",
                "each machine needs its own",
            )


def check_machines_outside(
    hosts: Mapping[str, Host],
    cluster: ClusterSettings,
    locate_setting: Callable[[str], Location | None],
    where: Mapping[str, Locate],
    log: ProblemLog,
) -> None:
    """No machine within the networks of pods or Services: one problem a network, however many machines."""
    for name, network in (
        ("pod_network_cidr", cluster.pod_network),
        ("service_network_cidr", cluster.service_network),
    ):
        inside = [h for h in hosts.values() if h.node_address and ipaddress.IPv4Address(h.node_address) in network]
        if not inside:
            continue
        first = inside[0]
        others = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
        log.add(
            locate_setting(name) or where[first.name]("node_address"),
            f"{name} {network} holds machines: {first.name} ({first.node_address}){others}",
            f"choose a {name} that holds no machine",
        )


def check_virtual_address(hosts: Mapping[str, Host], cluster: ClusterSettings, locate: Locate, log: ProblemLog) -> None:
    """The address that moves between machines is no machine's own, and outside of the cluster's networks."""
    if not cluster.api_virtual_address:
        return
    address = ipaddress.IPv4Address(cluster.api_virtual_address)
    where = locate("api_virtual_address")
    owner = next((host.name for host in hosts.values() if host.node_address == str(address)), None)
    if owner:
        log.add(where, f"api_virtual_address {address} is the address of {owner}", "choose one that no machine has")
    for name, network in (("pod", cluster.pod_network), ("service", cluster.service_network)):
        if address in network:
            log.add(
                where,
                f"api_virtual_address {address} lies in {name}_network_cidr {network}",
                "choose one of the network that the control-plane machines are in",
            )


def check_release(cluster: ClusterSettings, own: str, locate: Locate, log: ProblemLog) -> None:
    """A kprov installs its own release; an inventory may say which one it is meant for."""
    if cluster.kprov_version != own:
        log.add(
            locate("kprov_version"),
            f"kprov_version is {cluster.kprov_version}, and this is kprov {own}, which installs its own release",
            f"use kprov {cluster.kprov_version} for this cluster, or write {own} to upgrade it",
        )


def check_networks(cluster: ClusterSettings, machines: int, locate: Locate, log: ProblemLog) -> None:
    """The networks are apart, and large enough."""
    pods, services = cluster.pod_network, cluster.service_network
    if pods.overlaps(services):
        log.add(
            locate("pod_network_cidr"),
            f"pod_network_cidr {pods} and service_network_cidr {services} overlap",
            "choose two networks that share no address",
        )
    if services.prefixlen > 28:
        log.add(
            locate("service_network_cidr"), f"service_network_cidr {services} is too small", "make it /28 or larger"
        )
    elif ipaddress.IPv4Address(cluster.dns_address) not in services:
        log.add(
            locate("dns_address"),
            f"dns_address {cluster.dns_address} lies outside of service_network_cidr {services}",
            f"did you mean {services.network_address + 10}?",
        )
    elif cluster.dns_address in (cluster.kubernetes_service_address, str(services[0]), str(services[-1])):
        log.add(
            locate("dns_address"),
            f"dns_address {cluster.dns_address} is taken (the first address is the API server's)",
            f"did you mean {services.network_address + 10}?",
        )
    mask = cluster.node_cidr_mask_size
    shares = 2 ** (mask - pods.prefixlen) if mask >= pods.prefixlen else 0
    if shares < machines:
        log.add(
            locate("pod_network_cidr" if pods.prefixlen else "node_cidr_mask_size"),
            f"pod_network_cidr {pods} cut into /{mask} gives {shares} shares, but there are {machines} machines",
            f"use at most /{_prefix_for(machines, mask)}, or a larger node_cidr_mask_size",
        )
    # Network, broadcast and the bridge's own address are not for pods.
    usable = 2 ** (32 - mask) - 3
    if cluster.max_pods > usable:
        log.add(
            locate("max_pods"),
            f"max_pods {cluster.max_pods} is more than the {usable} addresses of a machine's /{mask}",
            f"lower max_pods to {usable}, or node_cidr_mask_size",
        )


def _prefix_for(machines: int, mask: int) -> int:
    return max(mask - max(machines - 1, 0).bit_length(), 0)


def check_ports(cluster: ClusterSettings, locate: Locate, log: ProblemLog) -> None:
    """The API server and the load balancer before it share machines, so they can't share a port."""
    if cluster.api_server_port == cluster.api_load_balancer_port:
        log.add(
            locate("api_load_balancer_port"),
            f"api_load_balancer_port and api_server_port are both {cluster.api_server_port}",
            "both listen on the control-plane machines: choose two ports",
        )
    low, high = map(int, cluster.service_node_port_range.split("-"))
    for name in ("api_server_port", "api_load_balancer_port"):
        if low <= getattr(cluster, name) <= high:
            log.add(
                locate(name),
                f"{name} {getattr(cluster, name)} lies inside service_node_port_range {low}-{high}",
                "a Service could take it: choose one outside",
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


def check_authority_files(cluster: ClusterSettings, locate: Locate, log: ProblemLog) -> None:
    """An authority of the user's has a certificate and a key, and the key is read by nobody else.

    What is in them is looked at when they are taken. After that they may be gone: kept elsewhere, or the cluster was
    restored from a backup, which has what was taken.
    """
    for name, (certificate, key) in AUTHORITY_SETTINGS.items():
        given = [setting for setting in (certificate, key) if getattr(cluster, setting) is not None]
        if len(given) == 1:
            (missing,) = {certificate, key} - set(given)
            log.add(
                locate(given[0]),
                f"{given[0]} is of no use without {missing}",
                f"name both; where the key is not yours to have: kprov certs request --authority {name}",
            )
            continue
        for setting in given:
            path: Path = getattr(cluster, setting)
            try:
                mode = stat.S_IMODE(path.stat().st_mode)
                path.open("rb").close()
            except FileNotFoundError:
                if not (cluster.state_directory / "pki").is_dir():
                    hint = "relative paths begin at the inventory's folder; once a cluster stands, both may be gone"
                    log.add(locate(setting), f"{path} does not exist", hint)
            except OSError as error:
                log.add(locate(setting), f"{path} can't be read: {error.strerror}", None)
            else:
                if setting == key and mode & 0o077:
                    log.add(locate(setting), f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")


def check_key_files(hosts: Mapping[str, Host], where: Mapping[str, Locate], say: Say) -> None:
    """Private keys can be read by us and by nobody else."""
    seen: set[Any] = set()
    for host in hosts.values():
        path = host.private_key_file
        location = where[host.name]("ansible_ssh_private_key_file")
        if path is None or (path, location) in seen:
            continue
        seen.add((path, location))
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if not path.is_file():
                say(location, f"{path} is not a file", "name the private key's file")
                continue
            with path.open("rb") as file:
                head = file.read(64)
        except FileNotFoundError:
            say(location, f"private key {path} does not exist", "relative paths begin at the inventory's folder")
            continue
        except OSError as error:
            say(location, f"private key {path} can't be read: {error.strerror}", None)
            continue
        if not head.startswith(b"-----BEGIN") or b"PUBLIC KEY" in head:
            hint = f"did you mean {path.with_suffix('')}?" if path.suffix == ".pub" else "name the private key's file"
            say(location, f"{path} is not a private key", hint)
        elif mode & 0o077:
            say(location, f"private key {path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
