"""CEL's functions for addresses and networks: ``ip('10.0.0.1').family()``, ``cidr('10.0.0.0/8').containsIP(...)``.

As upstream's libraries, which read as Go's netip does: no zones, no IPv4 in IPv6, no leading zeros.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from kprov.kube.apiserver.cel.overloads import Own, Rows, content, holds, kind_of

_IP, _CIDR = "ip", "cidr"
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_LINK_LOCAL_MULTICAST = ipaddress.IPv4Network("224.0.0.0/24")
_BROADCAST = ipaddress.ip_address("255.255.255.255")


def _address(text: str) -> _Address:
    if "%" in text:
        raise ValueError(f'IP address "{text}" with zone value is not allowed')
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return found


def _parts(text: str) -> tuple[_Address, int]:
    address, slash, length = text.rpartition("/")
    found = _address(address)
    if not slash or not _LENGTH.fullmatch(length) or int(length) > found.max_prefixlen:
        raise ValueError(f'network address parse error during conversion from string: "{text}"')
    return found, int(length)


def _ip(text: str) -> Own:
    return {_IP: str(_address(text))}


def _cidr(text: str) -> Own:
    address, length = _parts(text)
    return {_CIDR: f"{address}/{length}"}


def _of_ip(value: Own) -> _Address:
    return ipaddress.ip_address(content(value, _IP))


def _of_cidr(value: Own) -> tuple[_Address, int]:
    return _parts(content(value, _CIDR))


def _network(address: _Address, length: int) -> Any:
    return ipaddress.ip_network(f"{address}/{length}", strict=False)


def _is_canonical(text: str) -> bool:
    return str(_address(text)) == text


def _is_link_local_multicast(address: _Address) -> bool:
    if address.version == 6:  # of any flags, as Go has it
        return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02
    return address in _LINK_LOCAL_MULTICAST


def _is_global_unicast(address: _Address) -> bool:
    return not (
        address.is_unspecified
        or address == _BROADCAST
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
    )


def _contains_ip(value: Own, other: Own | str) -> bool:
    address = _address(other) if isinstance(other, str) else _of_ip(other)
    return address in _network(*_of_cidr(value))


def _contains_cidr(value: Own, other: Own | str) -> bool:
    mine, length = _of_cidr(value)
    address, other_length = _parts(other) if isinstance(other, str) else _of_cidr(other)
    return length <= other_length and address in _network(mine, length)


def _masked(value: Own) -> Own:
    return {_CIDR: str(_network(*_of_cidr(value)))}


def _text(value: Own) -> str:
    return str(content(value, _IP if kind_of(value) == _IP else _CIDR))


def rows(kind: Any, own: Any) -> Rows:
    """The functions.

    Args:
        kind: CEL's types.
        own: the type of Kubernetes' own values.
    """
    text, number, flag = kind.STRING, kind.INT, kind.BOOL

    def member(name: str, result: Any, run: Any) -> tuple[str, Any]:
        return name, [(result, [own], True, run)]

    return [
        ("isIP", [(flag, [text], False, lambda given: holds(_address, given))]),
        ("ip", [(own, [text], False, _ip), (own, [own], True, lambda value: {_IP: str(_of_cidr(value)[0])})]),
        ("ip.isCanonical", [(flag, [text], False, _is_canonical)]),
        member("family", number, lambda value: _of_ip(value).version),
        member("isUnspecified", flag, lambda value: _of_ip(value).is_unspecified),
        member("isLoopback", flag, lambda value: _of_ip(value).is_loopback),
        member("isLinkLocalMulticast", flag, lambda value: _is_link_local_multicast(_of_ip(value))),
        member("isLinkLocalUnicast", flag, lambda value: _of_ip(value).is_link_local),
        member("isGlobalUnicast", flag, lambda value: _is_global_unicast(_of_ip(value))),
        ("isCIDR", [(flag, [text], False, lambda given: holds(_parts, given))]),
        ("cidr", [(own, [text], False, _cidr)]),
        ("containsIP", [(flag, [own, text], True, _contains_ip), (flag, [own, own], True, _contains_ip)]),
        ("containsCIDR", [(flag, [own, text], True, _contains_cidr), (flag, [own, own], True, _contains_cidr)]),
        member("masked", own, _masked),
        member("prefixLength", number, lambda value: _of_cidr(value)[1]),
        ("string", [(text, [own], False, _text)]),
    ]
