"""A machine's interfaces, addresses, default route and listening ports, from the kernel itself."""

from __future__ import annotations

import array
import ctypes
import ipaddress
import os
import re
import socket
import struct
from typing import Any


class _SockAddr(ctypes.Structure):
    _fields_ = [("family", ctypes.c_ushort), ("data", ctypes.c_ubyte * 26)]


class _IfAddrs(ctypes.Structure):
    pass


_IfAddrs._fields_ = [
    ("next", ctypes.POINTER(_IfAddrs)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.POINTER(_SockAddr)),
    ("netmask", ctypes.POINTER(_SockAddr)),
    ("other", ctypes.POINTER(_SockAddr)),
    ("data", ctypes.c_void_p),
]


def addresses() -> list[tuple[str, int, str, str]]:
    """Every address, as (interface, family, address, netmask), by the C library's getifaddrs."""
    library = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_IfAddrs)()
    if library.getifaddrs(ctypes.byref(first)) != 0:
        return []
    found: list[tuple[str, int, str, str]] = []
    try:
        entry = first
        while entry:
            item = entry.contents
            if item.address:
                family = item.address.contents.family
                if family in (socket.AF_INET, socket.AF_INET6):
                    start, length = (2, 4) if family == socket.AF_INET else (6, 16)
                    data = bytes(item.address.contents.data)[start : start + length]
                    mask = (
                        bytes(item.netmask.contents.data)[start : start + length] if item.netmask else b"\xff" * length
                    )
                    name = item.name.decode()
                    found.append((name, family, socket.inet_ntop(family, data), socket.inet_ntop(family, mask)))
            entry = item.next
    finally:
        library.freeifaddrs(first)
    return found


def default_route() -> tuple[str, str] | None:
    """The default route's interface and gateway."""
    best: tuple[int, str, str] | None = None
    try:
        with open("/proc/net/route") as stream:
            lines = stream.read().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        parts = line.split()
        if len(parts) > 7 and parts[1] == "00000000" and parts[7] == "00000000":
            gateway = socket.inet_ntoa(struct.pack("<I", int(parts[2], 16)))
            metric = int(parts[6])
            if best is None or metric < best[0]:
                best = (metric, parts[0], gateway)
    return (best[1], best[2]) if best else None


def _source_address() -> str | None:
    """The address that packets to elsewhere leave from (nothing is sent)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _decode(text: str) -> tuple[str, int]:
    address, port = text.split(":")
    words = array.array("I", bytes.fromhex(address))
    words.byteswap()
    family = socket.AF_INET if len(address) == 8 else socket.AF_INET6
    return socket.inet_ntop(family, words.tobytes()), int(port, 16)


def listening_ports() -> list[dict[str, Any]]:
    """Ports that something listens on (for UDP: is bound to)."""
    found: list[dict[str, Any]] = []
    for table, protocol, state in (
        ("tcp", "tcp", "0A"),
        ("tcp6", "tcp", "0A"),
        ("udp", "udp", "07"),
        ("udp6", "udp", "07"),
    ):
        try:
            with open("/proc/net/" + table) as stream:
                lines = stream.read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            parts = line.split()
            if parts[3] == state:
                address, port = _decode(parts[1])
                found.append({"protocol": protocol, "address": address, "port": port})
    return found


def _fact(name: str) -> str:
    """What the fact of an interface is called: as with Ansible, dots stay; what no name can have does not."""
    return "ansible_" + re.sub(r"[^\w.]", "_", name)


def _interface(name: str) -> dict[str, Any]:
    """What the kernel says of an interface."""

    def said(what: str) -> str:
        try:
            with open("/sys/class/net/%s/%s" % (name, what)) as stream:
                return stream.read().strip()
        except OSError:
            return ""

    found: dict[str, Any] = {"device": name, "active": said("operstate") in ("up", "unknown")}
    kind = {"1": "ether", "772": "loopback"}.get(said("type"), "unknown")
    found["type"] = "bridge" if os.path.isdir("/sys/class/net/%s/bridge" % name) else kind
    if kind == "ether":
        found["macaddress"] = said("address")
    if said("mtu").isdigit():
        found["mtu"] = int(said("mtu"))
    return found


def _ipv6(address: str, mask: str) -> dict[str, Any]:
    known = ipaddress.IPv6Address(address)
    prefix = bin(int(ipaddress.IPv6Address(mask))).count("1")
    scope = "host" if known.is_loopback else "link" if known.is_link_local else "global"
    return {"address": address, "prefix": str(prefix), "scope": scope}


def _default_ipv6(facts: dict[str, Any]) -> dict[str, Any]:
    """Where IPv6 leaves the machine; nothing where it does not."""
    try:
        with open("/proc/net/ipv6_route") as stream:
            routes = [line.split() for line in stream]
    except OSError:
        return {}
    for parts in routes:
        if len(parts) > 9 and parts[0] == "0" * 32 and parts[1] == "00" and parts[4] != "0" * 32:
            interface = facts.get(_fact(parts[9]), {})
            best = next((each for each in interface.get("ipv6", ()) if each["scope"] == "global"), None)
            if best is not None:
                gateway = str(ipaddress.IPv6Address(bytes.fromhex(parts[4])))
                return dict(best, interface=parts[9], gateway=gateway)
    return {}


def gather() -> dict[str, Any]:
    """Every fact about the network."""
    interfaces = sorted(os.listdir("/sys/class/net")) if os.path.isdir("/sys/class/net") else []
    facts: dict[str, Any] = {
        "ansible_interfaces": interfaces,
        "ansible_all_ipv4_addresses": [],
        "ansible_all_ipv6_addresses": [],
        "ansible_default_ipv4": {},
        "kprov_interface_of": {},  # by address
    }
    route = default_route()
    source = _source_address()
    for name, family, address, mask in addresses():
        if family == socket.AF_INET6:
            known = facts.setdefault(_fact(name), _interface(name))
            known.setdefault("ipv6", []).append(_ipv6(address, mask))
            if not ipaddress.IPv6Address(address).is_link_local and address != "::1":
                facts["ansible_all_ipv6_addresses"].append(address)
            continue
        if address.startswith("127."):
            known = facts.setdefault(_fact(name), _interface(name))
            known.setdefault("ipv4", {"address": address, "netmask": mask})
            continue
        facts["ansible_all_ipv4_addresses"].append(address)
        facts["kprov_interface_of"][address] = name
        network = ipaddress.IPv4Network("%s/%s" % (address, mask), strict=False)
        entry = {
            "address": address,
            "interface": name,
            "netmask": mask,
            "network": str(network.network_address),
            "prefix": str(network.prefixlen),
            "broadcast": str(network.broadcast_address),
        }
        of_interface = facts.setdefault(_fact(name), _interface(name))
        if "ipv4" in of_interface:
            of_interface.setdefault("ipv4_secondaries", []).append(entry)
        else:
            of_interface["ipv4"] = entry
        if address == source or (not facts["ansible_default_ipv4"] and route is not None and route[0] == name):
            try:
                with open("/sys/class/net/%s/address" % name) as stream:
                    entry["macaddress"] = stream.read().strip()
                with open("/sys/class/net/%s/mtu" % name) as stream:
                    entry["mtu"] = stream.read().strip()
            except OSError:
                pass
            facts["ansible_default_ipv4"] = dict(entry, gateway=route[1] if route else None, alias=name)
    facts["ansible_default_ipv6"] = _default_ipv6(facts)
    facts["kprov_listening_ports"] = listening_ports()
    return facts
