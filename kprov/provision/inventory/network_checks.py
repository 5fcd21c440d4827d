"""What must be true of an inventory's addresses, networks and ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

from kprov.provision.inventory.model import Host
from kprov.provision.inventory.problems import Locate, Location, ProblemLog
from kprov.provision.inventory.settings import ClusterSettings


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
