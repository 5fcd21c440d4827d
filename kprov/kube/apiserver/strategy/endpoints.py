"""Endpoints: the addresses behind a service, in the old form."""

from __future__ import annotations

import ipaddress
from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    dns_label_error,
    dns_subdomain_error,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.container_validation import PROTOCOLS
from kprov.kube.apiserver.strategy.fields import port_errors

Object = dict[str, Any]


def endpoint_address_errors(text: str, path: str) -> list[FieldError]:
    """That an address can be an endpoint's: one machine's, that others can reach."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return [invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")]
    if address.is_unspecified:
        return [invalid(path, text, f"may not be unspecified ({text})")]
    if address.is_loopback:
        return [invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")]
    if address.is_link_local:
        return [invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")]
    if address.is_multicast:
        return [invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")]
    return []


class EndpointsStrategy(Strategy):
    """Endpoints."""

    def default(self, obj: Object) -> None:
        """Ports are TCP."""
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                if not port.get("protocol"):
                    port["protocol"] = "TCP"

    def validate(self, obj: Object) -> list[FieldError]:
        """Addresses and ports."""
        found: list[FieldError] = []
        for index, subset in enumerate(obj.get("subsets") or ()):
            here = f"subsets[{index}]"
            if not subset.get("addresses") and not subset.get("notReadyAddresses"):
                found.append(required(here, "must specify `addresses` or `notReadyAddresses`"))
            for field in ("addresses", "notReadyAddresses"):
                for position, address in enumerate(subset.get(field) or ()):
                    found += _address_errors(address, f"{here}.{field}[{position}]")
            ports = subset.get("ports") or []
            for position, port in enumerate(ports):
                found += _port_errors(port, len(ports) > 1, f"{here}.ports[{position}]")
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """What has not changed is not judged again."""
        return [] if obj.get("subsets") == old.get("subsets") else self.validate(obj)


def _address_errors(address: Object, path: str) -> list[FieldError]:
    found = endpoint_address_errors(address.get("ip") or "", f"{path}.ip")
    if address.get("hostname") and (error := dns_label_error(address["hostname"])):
        found.append(invalid(f"{path}.hostname", address["hostname"], error))
    if address.get("nodeName") and (error := dns_subdomain_error(address["nodeName"])):
        found.append(invalid(f"{path}.nodeName", address["nodeName"], error))
    return found


def _port_errors(port: Object, name_required: bool, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if port.get("name"):
        error = dns_label_error(port["name"])
        found += [invalid(f"{path}.name", port["name"], error)] if error else []
    elif name_required:
        found.append(required(f"{path}.name"))
    found += port_errors(port.get("port"), f"{path}.port")
    if not port.get("protocol"):
        found.append(required(f"{path}.protocol"))
    elif port["protocol"] not in PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
    return found
