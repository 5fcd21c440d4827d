"""The kinds of the discovery.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    dns_label_error,
    dns_subdomain_error,
    duplicate,
    invalid,
    not_supported,
    required,
    too_many,
)
from kprov.kube.apiserver.strategy.container_validation import PROTOCOLS
from kprov.kube.apiserver.strategy.endpoints import endpoint_address_errors
from kprov.kube.apiserver.strategy.fields import IMMUTABLE

Object = dict[str, Any]

_TYPES = ["FQDN", "IPv4", "IPv6"]
_MOST_ENDPOINTS, _MOST_PORTS, _MOST_ADDRESSES = 1000, 20000, 100


class EndpointSliceStrategy(Strategy):
    """Endpoint slices."""

    def default(self, obj: Object) -> None:
        """Ports are TCP and have a name, be it an empty one."""
        for port in obj.get("ports") or ():
            if port.get("name") is None:
                port["name"] = ""
            if not port.get("protocol"):
                port["protocol"] = "TCP"

    def validate(self, obj: Object) -> list[FieldError]:
        """Addresses, all of one family, and ports, each of its own name."""
        kind = obj.get("addressType") or ""
        found: list[FieldError] = []
        if not kind:
            found.append(required("addressType"))
        elif kind not in _TYPES:
            found.append(not_supported("addressType", kind, _TYPES))
        endpoints, ports = obj.get("endpoints") or [], obj.get("ports") or []
        if len(endpoints) > _MOST_ENDPOINTS:
            found.append(too_many("endpoints", len(endpoints), _MOST_ENDPOINTS))
        if len(ports) > _MOST_PORTS:
            found.append(too_many("ports", len(ports), _MOST_PORTS))
        for index, endpoint in enumerate(endpoints):
            found += _endpoint_errors(endpoint, kind, f"endpoints[{index}]")
        names: set[str] = set()
        for index, port in enumerate(ports):
            found += _port_errors(port, names, f"ports[{index}]")
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The family stays; unchanged endpoints are not judged again."""
        if obj.get("addressType") != old.get("addressType"):
            return [invalid("addressType", obj.get("addressType"), IMMUTABLE), *self.validate(obj)]
        if obj.get("endpoints") == old.get("endpoints") and obj.get("ports") == old.get("ports"):
            return []
        return self.validate(obj)


def _endpoint_errors(endpoint: Object, kind: str, path: str) -> list[FieldError]:
    addresses = endpoint.get("addresses") or []
    found: list[FieldError] = []
    if not addresses:
        found.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > _MOST_ADDRESSES:
        found.append(too_many(f"{path}.addresses", len(addresses), _MOST_ADDRESSES))
    for index, address in enumerate(addresses):
        here = f"{path}.addresses[{index}]"
        if kind == "FQDN":
            error = dns_subdomain_error(address)
            found += [invalid(here, address, error)] if error else []
        else:
            problems = endpoint_address_errors(address, here)
            if not problems and (":" in address) != (kind == "IPv6"):
                problems = [invalid(here, address, f"must be a valid {kind} address")]
            found += problems
    if endpoint.get("hostname") and (error := dns_label_error(endpoint["hostname"])):
        found.append(invalid(f"{path}.hostname", endpoint["hostname"], error))
    if endpoint.get("nodeName") and (error := dns_subdomain_error(endpoint["nodeName"])):
        found.append(invalid(f"{path}.nodeName", endpoint["nodeName"], error))
    return found


def _port_errors(port: Object, names: set[str], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    name = port.get("name") or ""
    if name in names:
        found.append(duplicate(f"{path}.name", name))
    names.add(name)
    if name and (error := dns_label_error(name)):
        found.append(invalid(f"{path}.name", name, error))
    if not port.get("protocol"):
        found.append(required(f"{path}.protocol"))
    elif port["protocol"] not in PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
    return found


STRATEGIES: dict[str, Strategy] = {"endpointslices": EndpointSliceStrategy()}
