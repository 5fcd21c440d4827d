"""Every machine knows the way to every other machine's pods, and gives its own pods addresses of its own share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kprov.provision.verify.session import Session

_LOOK = "ip -json -4 route show && cat /etc/cni/net.d/10-kprov.conflist"


def verify_pod_network(session: Session) -> None:
    """Wait until what each machine does is what the API server says of the nodes.

    A machine is told of another one a moment after the API was. Pods that run before that are reached from some
    machines only.
    """
    with session.report.check("nodes", "Every machine knows the way to every other's pods") as result:
        result.figures["seconds"] = round(session.wait(lambda: _missing(session), "service"), 2)


def _missing(session: Session) -> str:
    nodes = session.api.request("GET", "/api/v1/nodes")["items"]
    problems: list[str] = []
    for host in session.engine.alive(session.inventory.hosts.values()):
        done = session.engine.shell(host.name, _LOOK)
        if done.rc != 0:
            problems.append(f"{host.name}: {done.stderr.strip() or done.stdout.strip()}")
        else:
            problems += wrong_ways(host.name, nodes, done.stdout)
    return "; ".join(problems)


def wrong_ways(machine: str, nodes: list[dict[str, Any]], said: str) -> Iterator[str]:
    """What differs on a machine from what the nodes are.

    Arguments: the machine's name, all Nodes, and what ``ip -json route`` and its CNI configuration say.
    """
    line, _, configuration = said.partition("\n")
    gateways = {route["dst"]: route.get("gateway", "") for route in json.loads(line)}
    for node in nodes:
        name, network = node["metadata"]["name"], node["spec"].get("podCIDR", "")
        if not network:
            continue
        if name == machine:
            given = _subnet(json.loads(configuration))
            if given != network:
                yield f"{machine} gives its pods addresses of {given or 'nothing'}, its share is {network}"
        elif (address := _internal_address(node)) and gateways.get(network) != address:
            way = f"goes by {gateways[network]}" if gateways.get(network) else "has no way"
            yield f"{machine} {way} to the pods of {name} ({network} by {address}): journalctl -u kprov-node"


def _internal_address(node: Mapping[str, Any]) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((str(each["address"]) for each in addresses if each["type"] == "InternalIP"), "")


def _subnet(configuration: Mapping[str, Any]) -> str:
    for plugin in configuration.get("plugins", ()):
        for ranges in (plugin.get("ipam") or {}).get("ranges", ()):
            for each in ranges:
                return str(each["subnet"])
    return ""
