"""Whether a cluster is as its inventory says: nodes, pod networks, etcd, and nothing left to do."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from kprov.provision.cluster.context import api_servers
from kprov.provision.inventory import Inventory
from kprov.provision.kubeapi.client import ClusterApi
from kprov.provision.kubeapi.credentials import read_kubeconfig
from machine_care.killed_run import KPROV, run


def nodes_of(inventory: Inventory) -> dict[str, dict[str, Any]]:
    """The cluster's Nodes, by name."""
    kubeconfig = inventory.cluster.state_directory / "admin.kubeconfig"
    api = ClusterApi(api_servers(inventory), read_kubeconfig(kubeconfig), timeout=20)
    try:
        found = api.request("GET", "/api/v1/nodes")["items"]
    finally:
        api.close()
    return {node["metadata"]["name"]: node for node in found}


def problems(inventory: Inventory, *, without: str = "") -> list[str]:
    """What is not as it must be, a sentence each.

    Args: ``without``: a machine of the inventory that has been taken out.
    """
    found = _of_nodes(inventory, nodes_of(inventory), without)
    path = str(inventory.path)
    found += _of_etcd(inventory, without)
    if without:
        return found
    plan = run("plan", path, "--no-diff")
    changed = {name: sums["changed"] for name, sums in plan.events[-1].get("hosts", {}).items() if sums["changed"]}
    if plan.code or changed or set(plan.events[-1].get("hosts", {})) != set(inventory.hosts):
        tasks = {
            f"{each['host']}: {each['task']}"
            for each in plan.events
            if each.get("event") == "task" and each.get("status") == "changed"
        }
        found.append(f"kprov plan ends with {plan.code} and would change {changed}: {sorted(tasks)}")
    return found


def _of_nodes(inventory: Inventory, nodes: dict[str, dict[str, Any]], without: str) -> list[str]:
    found = [f"no node: {name}" for name in inventory.hosts if name not in nodes and name != without]
    found += [f"{without} is a node still"] if without in nodes else []
    networks: dict[str, str] = {}
    for name, node in nodes.items():
        network = node["spec"].get("podCIDR", "")
        if not network or network in networks:
            found.append(f"{name} has the pod network {network or 'none'}, {networks.get(network, 'nobody')} too")
        networks[network] = name
        if node["spec"].get("unschedulable"):
            found.append(f"{name} is cordoned")
        if [each["status"] for each in node["status"]["conditions"] if each["type"] == "Ready"] != ["True"]:
            found.append(f"{name} is not Ready")
    return found


def _of_etcd(inventory: Inventory, without: str) -> list[str]:
    """A machine that was taken out is no member, with whatever data; the others vote, and are healthy."""
    asked = [KPROV, "etcd", "status", "--inventory", str(inventory.path), "--output", "json"]
    said = subprocess.run(asked, capture_output=True, text=True)
    try:
        members = {each["host"]: each for each in json.loads(said.stdout)["members"]}
    except (ValueError, KeyError):
        return [f"kprov etcd status ends with {said.returncode}: {said.stdout[-500:]} {said.stderr[-500:]}"]
    if members.pop(without, {}).get("id"):
        return [f"{without} is a member of etcd still"]
    well = {name for name, each in members.items() if each["state"] in ("leader", "follower") and each["is_healthy"]}
    wanted = {host.name for host in inventory.group("etcd")} - {without}
    return [] if well == wanted == set(members) else [f"etcd's members are not {sorted(wanted)} alone: {members}"]
