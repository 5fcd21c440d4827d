"""The daemon kprov-node: this machine's part of the pod network, and the cluster's DNS for this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.daemon import DaemonError, ready, run_daemon
from kprov.kube.api.flags import Flags, FlagSet
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import ENDPOINT_SLICES, NODES, SERVICES
from kprov.kube.api.serving import HealthServer
from kprov.kube.dns.forwarding import nameservers
from kprov.kube.dns.server import DnsServer
from kprov.kube.dns.zone import Zone
from kprov.kube.network.pod_network import PodNetwork
from kprov.kube.network.routes import internal_address
from kprov.kube.node.registration import endpoint_slice, keep_registered, register


def flag_set() -> FlagSet:
    """The command line of kprov-node."""
    flags = FlagSet("kprov-node", "keeps a machine's part of the pod network, and answers its DNS questions")
    flags.string("kubeconfig", "", "path to the kubeconfig file with authorization information")
    flags.string("node-name", "", "the name of this machine's Node; by default the host name")
    flags.string("cluster-cidr", "", "the range of the pods' addresses")
    flags.string("service-cluster-ip-range", "", "the range of the Services' addresses")
    flags.string("cluster-domain", "cluster.local", "the domain of the cluster's names")
    flags.string("dns-service-address", "", "the address of the Service kube-dns")
    flags.string("dns-listen-address", "", "this machine's address, on which DNS is served")
    flags.string("resolv-conf", "/etc/resolv.conf", "names the servers that other names are asked of")
    flags.string("cni-conf-dir", "/etc/cni/net.d", "where the container runtime looks for CNI configurations")
    flags.string("health-address", "127.0.0.1:10254", "address and port of /healthz and /metrics")
    return flags


def _checked(flags: Flags) -> None:
    for name in ("kubeconfig", "cluster_cidr", "service_cluster_ip_range", "dns_listen_address"):
        if not getattr(flags, name):
            raise DaemonError(f"--{name.replace('_', '-')} must be given")
    for name in ("cluster_cidr", "service_cluster_ip_range"):
        try:
            ipaddress.IPv4Network(getattr(flags, name))
        except ValueError as error:
            raise DaemonError(f"--{name.replace('_', '-')}: {error}") from None


def _only_networks(node: dict[str, Any]) -> dict[str, Any]:
    """What the pod network reads of a Node: on a large cluster the rest would be most of this daemon's memory."""
    metadata = node["metadata"]
    kept = {key: metadata[key] for key in ("name", "uid", "resourceVersion") if key in metadata}
    status = {"addresses": (node.get("status") or {}).get("addresses") or []}
    return {"metadata": kept, "spec": node.get("spec") or {}, "status": status}


async def run(flags: Flags) -> None:
    """Serve until cancelled. Routes and rules stay when the daemon ends."""
    _checked(flags)
    node_name = (flags.node_name or socket.gethostname()).lower()
    networks = (flags.cluster_cidr, flags.service_cluster_ip_range)
    client = ApiClient.from_kubeconfig(flags.kubeconfig, user_agent="kprov-node")
    nodes = Informer(client, NODES, transform=_only_networks)
    services, slices = Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES)
    own = (flags.dns_listen_address, flags.dns_service_address)
    dns = DnsServer(
        Zone(services, slices, domain=flags.cluster_domain, networks=networks),
        upstream=lambda: nameservers(flags.resolv_conf, own),
        networks=networks,
        machines=lambda: {flags.dns_listen_address, *map(internal_address, nodes.list())},
    )
    network = PodNetwork(
        nodes,
        node_name=node_name,
        cluster_cidr=flags.cluster_cidr,
        service_cidr=flags.service_cluster_ip_range,
        cni_folder=flags.cni_conf_dir,
    )
    host, _, port = flags.health_address.rpartition(":")
    health = HealthServer(
        host,
        int(port),
        live={"dns": lambda: True},
        ready={"pod-network": lambda: network.problem or True, "names": lambda: services.synced and slices.synced},
    )
    try:
        async with health.serving(), dns.serving(flags.dns_listen_address), asyncio.TaskGroup() as tasks:
            for informer in (nodes, services, slices):
                tasks.create_task(informer.run())
            tasks.create_task(network.run())
            for informer in (nodes, services, slices):
                await informer.wait_synced()
            ready()
            tasks.create_task(keep_registered(client, nodes, slices, node_name, flags.dns_listen_address))
            try:
                await asyncio.Event().wait()
            finally:
                await _say_goodbye(client, nodes.get(node_name), flags.dns_listen_address)
    except OSError as error:
        raise DaemonError(f"{flags.dns_listen_address}:53 or {flags.health_address} can't be served: {error}") from None
    finally:
        await client.close()


async def _say_goodbye(client: ApiClient, node: dict[str, Any] | None, address: str) -> None:
    """Ask others not to send questions here any more; a machine that dies can't say so, and need not."""
    if node is None:
        return
    try:
        async with asyncio.timeout(2.0):
            await register(client, endpoint_slice(node, address, ready=False))
    except Exception:  # noqa: S110 - on the way out nothing may hold the daemon back
        pass


def main() -> None:
    """The program."""
    sys.exit(run_daemon("kprov-node", run, flag_set()))


if __name__ == "__main__":
    main()
