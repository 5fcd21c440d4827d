"""Columns of services and of what leads to them."""

from __future__ import annotations

from kprov.kube.apiserver.columns.table import (
    Cells,
    Columns,
    Object,
    age,
    columns,
    labels_text,
    name,
    or_none,
    selector_text,
)

_SHOWN = 3


def _balancer_address(status: Object) -> str:
    ingress = (status.get("loadBalancer") or {}).get("ingress") or []
    return ",".join(sorted({each.get("ip") or each.get("hostname") or "" for each in ingress} - {""}))


def _external(obj: Object) -> str:
    spec = obj.get("spec") or {}
    external = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "LoadBalancer":
            addresses = [part for part in _balancer_address(obj.get("status") or {}).split(",") if part]
            return ",".join(addresses + external) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName") or "")
    return or_none(",".join(external))


def _service(obj: Object, now: float) -> Cells:
    spec = obj.get("spec") or {}
    ports = [
        f"{port.get('port')}:{port['nodePort']}/{port.get('protocol')}"
        if port.get("nodePort")
        else f"{port.get('port')}/{port.get('protocol')}"
        for port in spec.get("ports") or ()
    ]
    return [
        name(obj),
        spec.get("type") or "",
        or_none(spec.get("clusterIP")),
        _external(obj),
        or_none(",".join(ports)),
        age(obj, now),
        labels_text(spec.get("selector")),
    ]


def _endpoints(obj: Object, now: float) -> Cells:
    found = []
    for subset in obj.get("subsets") or ():
        addresses = subset.get("addresses") or []
        if not subset.get("ports"):
            found += [str(each.get("ip")) for each in addresses]
        for port in subset.get("ports") or ():
            found += [_joined(str(each.get("ip")), port.get("port")) for each in addresses]
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return [name(obj), or_none(",".join(found[:_SHOWN])) + more, age(obj, now)]


def _joined(address: str, port: object) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _few(items: list[str], unset: str) -> str:
    if not items:
        return unset
    more = f" + {len(items) - _SHOWN} more..." if len(items) > _SHOWN else ""
    return ",".join(items[:_SHOWN]) + more


def _slice(obj: Object, now: float) -> Cells:
    ports = [str(port["port"]) if port.get("port") is not None else "*" for port in obj.get("ports") or ()]
    addresses = [address for each in obj.get("endpoints") or () for address in each.get("addresses") or ()]
    return [
        name(obj),
        obj.get("addressType") or "",
        _few(ports, "<unset>"),
        _few(addresses, "<unset>"),
        age(obj, now),
    ]


def _ingress(obj: Object, now: float) -> Cells:
    spec = obj.get("spec") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    more = f" + {len(hosts) - _SHOWN} more..." if len(hosts) > _SHOWN else ""
    annotation = (obj["metadata"].get("annotations") or {}).get("kubernetes.io/ingress.class")
    return [
        name(obj),
        or_none(spec.get("ingressClassName") or annotation),
        ",".join(hosts[:_SHOWN]) + more if hosts else "*",
        _balancer_address(obj.get("status") or {}),
        "80, 443" if spec.get("tls") else "80",
        age(obj, now),
    ]


def _ingress_class(obj: Object, now: float) -> Cells:
    spec = obj.get("spec") or {}
    parameters = spec.get("parameters")
    text = "<none>"
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        text = f"{parameters.get('kind')}{group}/{parameters.get('name')}"
    return [name(obj), spec.get("controller") or "", text, age(obj, now)]


def _policy(obj: Object, now: float) -> Cells:
    return [name(obj), selector_text((obj.get("spec") or {}).get("podSelector") or {}), age(obj, now)]


COLUMNS: dict[tuple[str, str], Columns] = {
    ("", "services"): columns("Name | Type | Cluster-IP | External-IP | Port(s) | Age | Selector+", _service),
    ("", "endpoints"): columns("Name | Endpoints | Age", _endpoints),
    ("discovery.k8s.io", "endpointslices"): columns("Name | AddressType | Ports | Endpoints | Age", _slice),
    ("networking.k8s.io", "ingresses"): columns("Name | Class | Hosts | Address | Ports | Age", _ingress),
    ("networking.k8s.io", "ingressclasses"): columns("Name | Controller | Parameters | Age", _ingress_class),
    ("networking.k8s.io", "networkpolicies"): columns("Name | Pod-Selector | Age", _policy),
}
