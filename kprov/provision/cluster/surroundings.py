"""Writes into a run's journal what it ran on, so that its report can be made later, whatever has become of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kprov.provision.bundle import Bundle
from kprov.provision.engine.journal import Journal
from kprov.provision.inventory import Host, Inventory

_GROUPS = ("control_plane", "etcd", "node")


def tell_cluster(journal: Journal, inventory: Inventory) -> None:
    """The cluster as the inventory has it. Raises JournalError."""
    cluster = inventory.cluster
    address = cluster.api_virtual_address or "127.0.0.1"
    journal.write(
        "cluster",
        name=cluster.cluster_name,
        api=f"{address}:{cluster.api_load_balancer_port}",
        virtual_address=bool(cluster.api_virtual_address),
        pod_network=str(cluster.pod_network_cidr),
        service_network=str(cluster.service_network_cidr),
        machines=[
            {
                "host": host.name,
                "address": host.node_address,
                "groups": [group for group in _GROUPS if host in inventory.group(group)],
            }
            for host in inventory.hosts.values()
        ],
    )


def tell_machines(journal: Journal, hosts: Iterable[Host], facts: Mapping[str, Mapping[str, Any]]) -> None:
    """What the machines that answered are. Raises JournalError."""
    for host in hosts:
        known = facts.get(host.name) or {}
        system = f"{known.get('ansible_distribution', '')} {known.get('ansible_distribution_version', '')}".strip()
        journal.write(
            "machine",
            host=host.name,
            system=system,
            kernel=known.get("ansible_kernel", ""),
            processors=known.get("ansible_processor_vcpus"),
            memory_mb=known.get("ansible_memtotal_mb"),
        )


def tell_releases(journal: Journal, bundle: Bundle) -> None:
    """The releases that machines are brought to. Raises JournalError."""
    daemons = sorted({release.version for release in bundle.manifest.daemons.values()})
    journal.write("releases", daemons=daemons)
