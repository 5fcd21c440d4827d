"""The kinds of the networking.k8s.io group."""

from __future__ import annotations

import ipaddress
from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    dns_subdomain_error,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.container_validation import PROTOCOLS
from kprov.kube.apiserver.strategy.fields import (
    IMMUTABLE,
    dns_1035_error,
    port_errors,
    port_name_errors,
    port_or_name_errors,
    selector_errors,
)

Object = dict[str, Any]

_PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"]
_CLASS = "kubernetes.io/ingress.class"


class IngressStrategy(Strategy):
    """Ingresses."""

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """No load balancer yet."""
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Object) -> list[FieldError]:
        """Rules, backends, hosts."""
        found = self._spec_errors(obj.get("spec") or {})
        annotation = (obj["metadata"].get("annotations") or {}).get(_CLASS)
        if annotation and (obj.get("spec") or {}).get("ingressClassName"):
            message = "can not be set when the class field is also set"
            found.append(invalid(f"metadata.annotations[{_CLASS}]", annotation, message))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """As at creation, but for the old annotation."""
        return self._spec_errors(obj.get("spec") or {})

    @staticmethod
    def _spec_errors(spec: Object) -> list[FieldError]:
        found: list[FieldError] = []
        if not spec.get("rules") and not spec.get("defaultBackend"):
            found.append(invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified"))
        if spec.get("defaultBackend"):
            found += _backend_errors(spec["defaultBackend"], "spec.defaultBackend")
        for index, rule in enumerate(spec.get("rules") or ()):
            found += _rule_errors(rule, f"spec.rules[{index}]")
        for index, tls in enumerate(spec.get("tls") or ()):
            for position, host in enumerate(tls.get("hosts") or ()):
                found += _host_errors(host, f"spec.tls[{index}].hosts[{position}]")
        name = spec.get("ingressClassName")
        if name and (error := dns_subdomain_error(name)):
            found.append(invalid("spec.ingressClassName", name, error))
        return found


def _host_errors(host: str, path: str) -> list[FieldError]:
    bare = host.removeprefix("*.") if "*" in host else host
    error = dns_subdomain_error(bare)
    return [invalid(path, host, error)] if error else []


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _rule_errors(rule: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    host = rule.get("host")
    if host:
        if _is_address(host):
            found.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        else:
            found += _host_errors(host, f"{path}.host")
    http = rule.get("http")
    if http is None:
        return found
    if not http.get("paths"):
        found.append(required(f"{path}.http.paths"))
    for index, each in enumerate(http.get("paths") or ()):
        here, kind, place = f"{path}.http.paths[{index}]", each.get("pathType"), each.get("path") or ""
        if not kind:
            found.append(required(f"{here}.pathType", "pathType must be specified"))
        elif kind not in _PATH_TYPES:
            found.append(not_supported(f"{here}.pathType", kind, _PATH_TYPES))
        if kind in ("Exact", "Prefix"):
            if not place.startswith("/"):
                found.append(invalid(f"{here}.path", place, "must be an absolute path"))
            for bad in ("//", "/./", "/../", "%2f", "%2F"):
                if bad in place:
                    found.append(invalid(f"{here}.path", place, f"must not contain '{bad}'"))
            for bad in ("/..", "/."):
                if place.endswith(bad):
                    found.append(invalid(f"{here}.path", place, f"cannot end with '{bad}'"))
        elif place and not place.startswith("/"):
            found.append(invalid(f"{here}.path", place, "must be an absolute path"))
        found += _backend_errors(each.get("backend") or {}, f"{here}.backend")
    return found


def _backend_errors(backend: Object, path: str) -> list[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service and resource:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource:
        return [required(f"{path}.resource.{field}") for field in ("kind", "name") if not resource.get(field)]
    if not service:
        return [required(path, "resource or service backend is required")]
    found: list[FieldError] = []
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        found.append(required(f"{path}.service.name"))
    elif error := dns_1035_error(name):
        found.append(invalid(f"{path}.service.name", name, error))
    if port.get("name") and port.get("number"):
        found.append(invalid(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        found += [invalid(f"{path}.service.port.name", port["name"], p) for p in port_name_errors(port["name"])]
    elif port.get("number"):
        found += port_errors(port["number"], f"{path}.service.port.number")
    else:
        found.append(required(path, "port name or number is required"))
    return found


class IngressClassStrategy(Strategy):
    """Ingress classes."""

    def validate(self, obj: Object) -> list[FieldError]:
        """A controller's name has a domain."""
        controller = (obj.get("spec") or {}).get("controller") or ""
        if not controller:
            return [required("spec.controller")]
        if len(controller) > 250 or "/" not in controller:
            message = 'must be a domain-prefixed path (such as "acme.io/foo")'
            return [invalid("spec.controller", controller, message)]
        return []

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The controller stays."""
        new, before = (obj.get("spec") or {}).get("controller"), (old.get("spec") or {}).get("controller")
        return self.validate(obj) + ([] if new == before else [invalid("spec.controller", new, IMMUTABLE)])


class NetworkPolicyStrategy(Strategy):
    """Network policies."""

    def default(self, obj: Object) -> None:
        """A policy is about what comes in, and about what goes out where it says something of that."""
        spec = obj.setdefault("spec", {})
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        for field in ("ingress", "egress"):
            for rule in spec.get(field) or ():
                for port in rule.get("ports") or ():
                    if not port.get("protocol"):
                        port["protocol"] = "TCP"

    def validate(self, obj: Object) -> list[FieldError]:
        """Selectors, ports and peers."""
        spec = obj.get("spec") or {}
        found = selector_errors(spec.get("podSelector"), "spec.podSelector")
        for field, side in (("ingress", "from"), ("egress", "to")):
            for index, rule in enumerate(spec.get(field) or ()):
                here = f"spec.{field}[{index}]"
                for position, port in enumerate(rule.get("ports") or ()):
                    found += _policy_port_errors(port, f"{here}.ports[{position}]")
                for position, peer in enumerate(rule.get(side) or ()):
                    found += _peer_errors(peer, f"{here}.{side}[{position}]")
        types = spec.get("policyTypes") or []
        if len(types) > 2:
            return [*found, invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
        for index, kind in enumerate(types):
            if kind not in ("Ingress", "Egress"):
                found.append(not_supported(f"spec.policyTypes[{index}]", kind, ["Egress", "Ingress"]))
        return found


def _policy_port_errors(port: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if port.get("protocol") not in PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port.get("protocol"), PROTOCOLS))
    number, last = port.get("port"), port.get("endPort")
    if number is not None:
        found += port_or_name_errors(number, f"{path}.port")
    if last is not None:
        if number is None:
            found.append(required(f"{path}.port", "must be specified when endPort is specified"))
        elif isinstance(number, str):
            found.append(invalid(f"{path}.endPort", last, "may not be specified when `port` is non-numeric"))
        elif last < number:
            found.append(invalid(f"{path}.endPort", last, "must be greater than or equal to `port`"))
        else:
            found += port_errors(last, f"{path}.endPort")
    return found


def _peer_errors(peer: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    given = 0
    for field in ("podSelector", "namespaceSelector"):
        if peer.get(field) is not None:
            given += 1
            found += selector_errors(peer[field], f"{path}.{field}")
    block = peer.get("ipBlock")
    if block is not None:
        if given:
            found.append(forbidden(path, "may not specify both ipBlock and another peer"))
        given += 1
        found += _block_errors(block, f"{path}.ipBlock")
    if not given:
        found.append(required(path, "must specify a peer"))
    return found


def _block_errors(block: Object, path: str) -> list[FieldError]:
    message = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    if not block.get("cidr"):
        return [required(f"{path}.cidr")]
    try:
        whole = ipaddress.ip_network(block["cidr"], strict=False)
    except ValueError:
        return [invalid(f"{path}.cidr", block["cidr"], message)]
    found: list[FieldError] = []
    for index, given in enumerate(block.get("except") or ()):
        here = f"{path}.except[{index}]"
        try:
            part = ipaddress.ip_network(given, strict=False)
        except ValueError:
            found.append(invalid(here, given, message))
            continue
        inside = part.version == whole.version and part.subnet_of(whole) and part != whole  # type: ignore[arg-type]
        if not inside:
            found.append(invalid(here, given, f"must be a strict subset of `cidr`: {block['cidr']}"))
    return found


STRATEGIES: dict[str, Strategy] = {
    "ingressclasses": IngressClassStrategy(),
    "ingresses": IngressStrategy(),
    "networkpolicies": NetworkPolicyStrategy(),
}
