"""Addresses and networks: the filters of ansible.utils, which ansible.netcommon had before.

Source of each: the filter plugin of the same name; the standard library's ipaddress computes.
"""

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
        "int": lambda: int(interface.ip),
        "type": lambda: _type_of(interface),
        "net": lambda: str(value) if "/" in str(value) and _type_of(interface) == "network" else False,
        "first_usable": lambda: _usable_text(network, 0),
        "last_usable": lambda: _usable_text(network, -1),
        "range_usable": lambda: "-".join(filter(None, (_usable_text(network, 0), _usable_text(network, -1)))) or False,
        "wrap": lambda: _wrapped(str(value)) if network.version == 6 else str(value),
        "private": lambda: str(value) if interface.ip.is_private else None,
        "public": lambda: str(value) if interface.ip.is_global else None,
        "loopback": lambda: str(value) if interface.ip.is_loopback else None,
        "link-local": lambda: str(value) if interface.ip.is_link_local else None,
        "multicast": lambda: str(value) if interface.ip.is_multicast else None,
        "revdns": lambda: interface.ip.reverse_pointer + ".",
        "ipv4": lambda: str(value) if network.version == 4 else False,
        "ipv6": lambda: str(value) if network.version == 6 else False,
    }
    if str(query) in answers:
        return answers[str(query)]()
    try:
        return str(value) if interface.ip in ipaddress.ip_network(str(query)) else False
    except (ValueError, TypeError):
        raise FilterArgumentError(f"ipaddr knows no query '{query}'") from None


_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _type_of(interface: _Interface) -> str:
    """`network` for the address of a whole one, else `address`."""
    network = interface.network
    return "network" if network.num_addresses > 1 and interface.ip == network.network_address else "address"


def _usable(network: _Network) -> tuple[_Address, _Address]:
    """The first and the last address that a host may have."""
    if network.num_addresses <= 2:
        return network[0], network[-1]
    return network[1], network[-2 if network.version == 4 else -1]


def _usable_text(network: _Network, which: int) -> Any:
    return str(_usable(network)[which]) if network.num_addresses > 1 else False


def _wrapped(text: str) -> str:
    address, slash, length = text.partition("/")
    return f"[{address}]{slash}{length}"


def _of_version(value: Any, query: Any, version: str) -> Any:
    found = _ipaddr(value, version)
    return _ipaddr(found, query) if found and query else found


def _ipwrap(value: Any, query: Any = "") -> Any:
    """IPv6 addresses in brackets, everything else as it is."""
    if isinstance(value, (list, tuple)):
        return [_ipwrap(item, query) for item in value]
    found = _ipaddr(value, query)
    return _ipaddr(found, "wrap") if found else value


def _interface(value: Any, name: str) -> _Interface:
    try:
        return ipaddress.ip_interface(str(value))
    except ValueError:
        raise FilterArgumentError(f"{name}: '{value}' is no IP address or network") from None


def _ipmath(value: Any, amount: Any) -> str:
    address = _interface(value, "ipmath").ip
    if not isinstance(amount, int):
        raise FilterArgumentError(f"ipmath adds a whole number, not '{amount}'")
    return str(address + amount)


def _nthhost(value: Any, query: Any = "") -> Any:
    try:
        return str(ipaddress.ip_interface(str(value)).network[int(query)]) if query not in ("", 0) else False
    except (ValueError, IndexError):
        return False


def _nth_usable(value: Any, offset: Any, name: str) -> Any:
    try:
        interface = ipaddress.ip_interface(str(value))
    except ValueError:
        return False
    if not isinstance(offset, int):
        raise FilterArgumentError(f"{name} takes a whole number, not '{offset}'")
    first, last = _usable(interface.network)
    is_there = interface.network.num_addresses > 1 and int(first) <= int(interface.ip) + offset <= int(last)
    return str(interface.ip + offset) if is_there else None


def _is_in(network: _Network, first: _Address, last: _Address) -> bool:
    return network.version == first.version and int(first) <= int(network[0]) and int(network[-1]) <= int(last)


def _network_in_network(value: Any, test: Any) -> bool:
    network = _interface(value, "network_in_network").network
    return _is_in(_interface(test, "network_in_network").network, network[0], network[-1])


def _network_in_usable(value: Any, test: Any) -> bool:
    first, last = _usable(_interface(value, "network_in_usable").network)
    return _is_in(_interface(test, "network_in_usable").network, first, last)


def _ipsubnet(value: Any, query: Any = "", index: Any = None) -> Any:
    """A network's subnets of a size: how many, or the one with an index; an address's network of that size."""
    try:
        network: _Network = ipaddress.ip_interface(str(value)).network
    except ValueError:
        return False
    if query in ("", None):
        return str(network)
    if not str(query).isdigit():
        outer = _interface(query, "ipsubnet").network
        if network.version != outer.version or not network.subnet_of(outer):  # type: ignore[arg-type]
            raise FilterArgumentError(f"ipsubnet: {network} is not in the subnet {outer}")
        step = int(network.network_address) - int(outer.network_address)
        return str((step >> (network.max_prefixlen - network.prefixlen)) + 1)
    length = int(query)
    if length > network.max_prefixlen:
        return False
    if network.num_addresses == 1:
        supers = [network.supernet(new_prefix=one) for one in range(length, network.max_prefixlen)]
        try:
            return str(supers[int(index or 0)])
        except IndexError:
            return False
    if length < network.prefixlen:
        raise FilterArgumentError(f"ipsubnet: {network} has no subnets of size {length}")
    count = 1 << (length - network.prefixlen)
    if index is None:
        return str(count)
    number = int(index) + (count if int(index) < 0 else 0)
    if not 0 <= number < count:
        return False
    return f"{network[number << (network.max_prefixlen - length)]}/{length}"


def _cidr_merge(value: Any, action: str = "merge") -> Any:
    """Networks that make up the same addresses; with `span` the smallest one that has them all."""
    networks = [_interface(one, "cidr_merge").network for one in value]
    four = [one for one in networks if isinstance(one, ipaddress.IPv4Network)]
    six = [one for one in networks if isinstance(one, ipaddress.IPv6Network)]
    if action == "merge":
        return [str(one) for one in (*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six))]
    if action != "span":
        raise FilterArgumentError(f"cidr_merge does merge or span, not '{action}'")
    if not networks:
        return None
    if four and six:
        raise FilterArgumentError("cidr_merge: IPv4 and IPv6 have no network in common")
    span: _Network = networks[0]
    while not all(one.subnet_of(span) for one in networks):  # type: ignore[arg-type]
        span = span.supernet()
    return str(span)


FILTERS: dict[str, Callable[..., Any]] = {
    "cidr_merge": _cidr_merge,
    "ipaddr": _ipaddr,
    "ipmath": _ipmath,
    "ipsubnet": _ipsubnet,
    "ipv4": lambda value, query="": _of_version(value, query, "ipv4"),
    "ipv6": lambda value, query="": _of_version(value, query, "ipv6"),
    "ipwrap": _ipwrap,
    "network_in_network": _network_in_network,
    "network_in_usable": _network_in_usable,
    "next_nth_usable": lambda value, offset: _nth_usable(value, offset, "next_nth_usable"),
    "nthhost": _nthhost,
    "previous_nth_usable": lambda value, offset: _nth_usable(value, -offset, "previous_nth_usable"),
}
