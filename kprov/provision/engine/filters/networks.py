"""Addresses and networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from jinja2.exceptions import FilterArgumentError


def _ipaddr(value: Any, query: Any = "") -> Any:
    if isinstance(value, (list, tuple)):
        return [found for found in (_ipaddr(item, query) for item in value) if found not in (False, None)]
    try:
        interface = ipaddress.ip_interface(str(value))
    except ValueError:
        return False
    network = interface.network
    if query in ("", None):
        return str(value)
    if isinstance(query, int) or str(query).lstrip("-").isdigit():
        return f"{network[int(query)]}/{network.prefixlen}"
    answers: dict[str, Callable[[], Any]] = {
        "address": lambda: str(interface.ip),
        "network": lambda: str(network.network_address),
        "netmask": lambda: str(network.netmask),
        "prefix": lambda: network.prefixlen,
        "broadcast": lambda: str(network.broadcast_address),
        "network/prefix": lambda: str(network),
        "subnet": lambda: str(network),
        "cidr": lambda: str(interface),
        "host": lambda: str(interface),
        "size": lambda: network.num_addresses,
        "version": lambda: network.version,
        "ipv4": lambda: str(value) if network.version == 4 else False,
        "ipv6": lambda: str(value) if network.version == 6 else False,
    }
    if str(query) in answers:
        return answers[str(query)]()
    try:
        return str(value) if interface.ip in ipaddress.ip_network(str(query)) else False
    except (ValueError, TypeError):
        raise FilterArgumentError(f"ipaddr knows no query '{query}'") from None


FILTERS: dict[str, Callable[..., Any]] = {
    "ipaddr": _ipaddr,
    "ipv4": lambda value: _ipaddr(value, "ipv4"),
    "ipv6": lambda value: _ipaddr(value, "ipv6"),
}
