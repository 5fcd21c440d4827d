"""Services. Addresses and node ports are given out by the allocators; here is what a client may say about them."""

from __future__ import annotations

import ipaddress
from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    dns_label_error,
    dns_subdomain_error,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.container_validation import PROTOCOLS
from kprov.kube.apiserver.strategy.endpoints import endpoint_address_errors
from kprov.kube.apiserver.strategy.fields import (
    IMMUTABLE,
    dns_1035_error,
    label_errors,
    port_errors,
    port_or_name_errors,
    qualified_name_errors,
)
from kprov.kube.apiserver.strategy.service_updates import drop_what_the_type_lacks, keep_node_ports

Object = dict[str, Any]

_TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
_AFFINITIES = ["ClientIP", "None"]
_POLICIES = ["Cluster", "Local"]
_STICKY_SECONDS = 10800
_DAY = 86400


def is_headless(spec: Object) -> bool:
    """Whether a service has no address of its own by choice."""
    return spec.get("clusterIP") == "None" or (spec.get("clusterIPs") or [""])[0] == "None"


class ServiceStrategy(Strategy):
    """Services."""

    def name_error(self, name: str) -> str | None:
        """A DNS-1035 label: it becomes a host name and a prefix of environment variables."""
        return dns_1035_error(name)

    def default(self, obj: Object) -> None:
        """As upstream; what depends on the cluster's address ranges is the allocator's."""
        spec = obj.setdefault("spec", {})
        if not spec.get("type"):
            spec["type"] = "ClusterIP"
        _default_affinity(spec)
        for port in spec.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port.get("port")
        outside = spec["type"] in ("NodePort", "LoadBalancer") or (
            spec["type"] == "ClusterIP" and bool(spec.get("externalIPs"))
        )
        if outside and not spec.get("externalTrafficPolicy"):
            spec["externalTrafficPolicy"] = "Cluster"
        if spec["type"] != "ExternalName" and not spec.get("internalTrafficPolicy"):
            spec["internalTrafficPolicy"] = "Cluster"
        if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
            spec["allocateLoadBalancerNodePorts"] = True
        _agree_on_addresses(spec)

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """No load balancer yet."""
        obj["status"] = {"loadBalancer": {}}

    def prepare_for_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """What the allocators gave is kept where the client leaves it out; what the new type does not have, goes."""
        spec, before = obj.setdefault("spec", {}), old.get("spec") or {}
        drop_what_the_type_lacks(spec, before)
        if spec.get("type") == "ExternalName":
            return
        if before.get("type") != "ExternalName":
            for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if not spec.get(field) and before.get(field):
                    spec[field] = before[field]
        address, addresses = spec.get("clusterIP"), spec.get("clusterIPs")
        if address and addresses and addresses[0] != address and addresses == before.get("clusterIPs"):
            # A client that knows only one of the two fields changed that one.
            spec["clusterIPs"] = [address]
        keep_node_ports(spec, before)

    def validate(self, obj: Object) -> list[FieldError]:
        """See the functions below."""
        spec = obj.get("spec") or {}
        found = _type_errors(spec)
        found += _port_list_errors(spec)
        found += label_errors(spec.get("selector"), "spec.selector")
        found += _affinity_errors(spec)
        found += _address_errors(spec)
        return found + _traffic_errors(obj["metadata"].get("annotations") or {}, spec)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The address stays, except on the way from or to ExternalName."""
        spec, before = obj.get("spec") or {}, old.get("spec") or {}
        found: list[FieldError] = []
        same_sort = "ExternalName" not in (spec.get("type"), before.get("type"))
        addresses, had = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
        if same_sort and had and (not addresses or addresses[0] != had[0]):
            message = "may not change once set" if addresses else "primary clusterIP can not be unset"
            found.append(invalid("spec.clusterIPs[0]", addresses, message))
            if spec.get("clusterIP") != before.get("clusterIP"):
                found.append(invalid("spec.clusterIP", spec.get("clusterIP"), IMMUTABLE))
        families, before_families = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
        if same_sort and before_families and families and families[0] != before_families[0]:
            found.append(invalid("spec.ipFamilies[0]", families[0], "primary ipFamily can not be changed"))
        return found + self.validate(obj)


def _default_affinity(spec: Object) -> None:
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if config.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _STICKY_SECONDS}}


def _agree_on_addresses(spec: Object) -> None:
    """clusterIP is the first of clusterIPs, whichever of the two a client sends."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    elif spec.get("clusterIPs") and not spec.get("clusterIP"):
        spec["clusterIP"] = spec["clusterIPs"][0]


def _type_errors(spec: Object) -> list[FieldError]:
    kind = spec.get("type") or ""
    found: list[FieldError] = []
    if not spec.get("ports") and not is_headless(spec) and kind != "ExternalName":
        found.append(required("spec.ports"))
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        found.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                found.append(forbidden(f"spec.{field}", "may not be set for ExternalName services"))
        name = (spec.get("externalName") or "").removesuffix(".")
        error = dns_subdomain_error(name) if name else None
        if not name:
            found.append(required("spec.externalName"))
        elif error:
            found.append(invalid("spec.externalName", name, error))
    if kind not in _TYPES:
        found.append(not_supported("spec.type", kind, _TYPES) if kind else required("spec.type"))
    return found


def _port_list_errors(spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    ports = spec.get("ports") or []
    names: set[str] = set()
    numbers: set[tuple[Any, Any]] = set()
    node_ports: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        here = f"spec.ports[{index}]"
        found += _port_errors(port, len(ports) > 1, names, here)
        protocol, number, node_port = port.get("protocol"), port.get("port"), port.get("nodePort")
        if spec.get("type") == "ClusterIP" and node_port:
            found.append(forbidden(f"{here}.nodePort", "may not be used when `type` is 'ClusterIP'"))
        if spec.get("type") == "LoadBalancer" and number == 10250:
            message = "may not expose port 10250 externally since it is used by kubelet"
            found.append(invalid(here, number, message))
        if node_port:
            if (protocol, node_port) in node_ports:
                found.append(duplicate(f"{here}.nodePort", node_port))
            node_ports.add((protocol, node_port))
        if (protocol, number) in numbers:
            found.append(duplicate(here, {"protocol": protocol, "port": number}))
        numbers.add((protocol, number))
    return found


def _port_errors(port: Object, name_required: bool, names: set[str], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if name := port.get("name"):
        error = dns_label_error(name)
        found += [invalid(f"{path}.name", name, error)] if error else []
        if name in names:
            found.append(duplicate(f"{path}.name", name))
        names.add(name)
    elif name_required:
        found.append(required(f"{path}.name"))
    found += port_errors(port.get("port"), f"{path}.port")
    if port.get("protocol") not in PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port.get("protocol"), PROTOCOLS))
    found += port_or_name_errors(port.get("targetPort"), f"{path}.targetPort")
    if port.get("appProtocol"):
        found += [
            invalid(f"{path}.appProtocol", port["appProtocol"], problem)
            for problem in qualified_name_errors(port["appProtocol"])
        ]
    return found


def _affinity_errors(spec: Object) -> list[FieldError]:
    affinity = spec.get("sessionAffinity") or ""
    if affinity not in _AFFINITIES:
        return [not_supported("spec.sessionAffinity", affinity, _AFFINITIES)]
    config = spec.get("sessionAffinityConfig")
    if affinity == "None":
        message = "must not be set when session affinity is None"
        return [forbidden("spec.sessionAffinityConfig", message)] if config else []
    seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
    path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
    if seconds is None:
        return [required(path, "when session affinity type is ClientIP")]
    if not 0 < seconds <= _DAY:
        return [invalid(path, seconds, f"must be greater than 0 and less than {_DAY}")]
    return []


def _address_errors(spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    addresses = spec.get("clusterIPs") or []
    if spec.get("type") != "ExternalName":
        if spec.get("clusterIP") and addresses and addresses[0] != spec["clusterIP"]:
            found.append(invalid("spec.clusterIPs[0]", addresses, "first value must match `clusterIP`"))
        if not spec.get("clusterIP") and addresses:
            found.append(invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified"))
        if "None" in addresses and len(addresses) > 1:
            message = "'None' must be the first and only value"
            found.append(invalid("spec.clusterIPs", addresses, message))
        for index, address in enumerate(addresses):
            if address not in ("None", "") and not _is_address(address):
                message = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
                found.append(invalid(f"spec.clusterIPs[{index}]", address, message))
    for index, address in enumerate(spec.get("externalIPs") or ()):
        found += endpoint_address_errors(address, f"spec.externalIPs[{index}]")
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _traffic_errors(annotations: Object, spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    kind = spec.get("type")
    ranges = spec.get("loadBalancerSourceRanges") or []
    annotation = "service.beta.kubernetes.io/load-balancer-source-ranges"
    if ranges or annotation in annotations:
        path = "spec.LoadBalancerSourceRanges" if ranges else f"metadata.annotations[{annotation}]"
        if kind != "LoadBalancer":
            found.append(forbidden(path, "may only be used when `type` is 'LoadBalancer'"))
        for given in ranges or [part.strip() for part in annotations[annotation].split(",") if part.strip()]:
            try:
                ipaddress.ip_network(given.strip(), strict=False)
            except ValueError:
                message = "must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24 "
                found.append(invalid(path, ranges or annotations[annotation], message))
                break
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != "LoadBalancer":
        message = "may only be used when `type` is 'LoadBalancer'"
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", message))
    external = spec.get("externalTrafficPolicy")
    if external:
        if external not in _POLICIES:
            found.append(not_supported("spec.externalTrafficPolicy", external, _POLICIES))
        elif kind == "ExternalName" or (kind == "ClusterIP" and not spec.get("externalIPs")):
            message = "may only be set for externally-accessible services"
            found.append(invalid("spec.externalTrafficPolicy", external, message))
    internal = spec.get("internalTrafficPolicy")
    if internal and internal not in _POLICIES:
        found.append(not_supported("spec.internalTrafficPolicy", internal, _POLICIES))
    if (spec.get("healthCheckNodePort") or 0) < 0:
        message = "must be greater than or equal to 0"
        found.append(invalid("spec.healthCheckNodePort", spec["healthCheckNodePort"], message))
    return found
