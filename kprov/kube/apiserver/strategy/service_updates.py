"""What an update of a service keeps and drops, where the client leaves it out or sends back what it was given."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def drop_what_the_type_lacks(spec: Object, before: Object) -> None:
    """Values that only made sense for the old type, and that the client merely sent back."""
    if spec.get("type") == before.get("type"):
        return
    if spec.get("type") == "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if spec.get(field) == before.get(field):
                spec.pop(field, None)
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        given = {port.get("nodePort") for port in before.get("ports") or ()}
        for port in spec.get("ports") or ():
            if port.get("nodePort") in given:
                port.pop("nodePort", None)
        if spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") and not spec.get("externalIPs"):
            spec.pop("externalTrafficPolicy", None)
    if spec.get("type") != "LoadBalancer":
        for field in ("healthCheckNodePort", "allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if spec.get(field) == before.get(field):
                spec.pop(field, None)
    if before.get("type") == "ExternalName" and spec.get("externalName") == before.get("externalName"):
        spec.pop("externalName", None)


def keep_node_ports(spec: Object, before: Object) -> None:
    """Node ports stay with the ports that they were given to."""
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        return
    had = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in before.get("ports") or ()}
    taken = {port.get("nodePort") for port in spec.get("ports") or ()}
    for port in spec.get("ports") or ():
        number = had.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and number and number not in taken:
            port["nodePort"] = number
    if not spec.get("healthCheckNodePort") and before.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before["healthCheckNodePort"]
