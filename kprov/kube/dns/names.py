"""The names that Services and their endpoints have: Kubernetes' DNS specification, version 1.1.0."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind a Service. ``hostname`` is its own, or the address with dashes."""

    address: str
    hostname: str
    ports: tuple[tuple[str, str, int], ...]
    """(name, protocol in lower case, number)"""


def dashed(address: str) -> str:
    """An address as a label: ``10-244-1-5``."""
    return address.replace(".", "-")


def undashed(label: str) -> str:
    """The IPv4 address that a label spells; "" when it spells none."""
    try:
        return str(ipaddress.IPv4Address(label.replace("-", ".")))
    except ValueError:
        return ""


def endpoints_of(slices: Iterable[Object]) -> Iterator[Endpoint]:
    """The endpoints of a Service that are ready, each address once for each slice that has it."""
    for piece in slices:
        if piece.get("addressType") != "IPv4":
            continue
        ports = tuple(
            (entry.get("name") or "", (entry.get("protocol") or "TCP").lower(), entry["port"])
            for entry in piece.get("ports") or ()
            if entry.get("port")
        )
        for entry in piece.get("endpoints") or ():
            if (entry.get("conditions") or {}).get("ready") is False:
                continue
            for address in entry.get("addresses") or ():
                yield Endpoint(address, entry.get("hostname") or dashed(address), ports)


def is_headless(service: Object) -> bool:
    """Whether a Service's name leads to its endpoints rather than to an address of its own."""
    return bool(service["spec"].get("clusterIP") == "None")


def cluster_addresses(service: Object) -> list[str]:
    """The IPv4 addresses of a Service itself."""
    spec = service["spec"]
    found = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    return [address for address in found if address not in ("", "None") and ":" not in address]
