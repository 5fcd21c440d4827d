"""Nodes are given no new pods, or are given them again."""

from __future__ import annotations

from typing import Any

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.inventory import Host
from kprov.provision.kubeapi import nodes


def node_of(context: Context, host: Host) -> dict[str, Any]:
    """A machine's Node.

    Raises:
        ClusterError: it has none.
        ClusterApiError: the API does not answer.
    """
    node = nodes.find_node(context.api, host.name)
    if node is None:
        raise ClusterError(f"{host.name} is no node of the cluster: see kubectl get nodes; kprov up makes it one")
    return node


def cordon(context: Context, hosts: list[Host]) -> None:
    """Let no new pods come to these machines. Raises as `node_of`."""
    found = {host.name: node_of(context, host) for host in hosts}
    with context.engine.phase("Cordon", hosts) as phase:
        for host in hosts:
            changed = not nodes.is_cordoned(found[host.name]) or bool(nodes.cordoned_for(found[host.name]))
            if changed and not context.engine.check:
                nodes.cordon(context.api, host.name)
            phase.record(host, "Takes no new pods", changed=changed)


def uncordon(context: Context, hosts: list[Host]) -> None:
    """Let new pods come to these machines again. Raises as `node_of`."""
    found = {host.name: node_of(context, host) for host in hosts}
    with context.engine.phase("Uncordon", hosts) as phase:
        for host in hosts:
            changed = nodes.is_cordoned(found[host.name])
            if changed and not context.engine.check:
                nodes.uncordon(context.api, host.name)
            phase.record(host, "Takes new pods", changed=changed)
