"""Where the proxy verbs may lead: to pods and nodes, and nowhere else.

Who may write a pod's status or a Service's endpoints must not reach, through the API server and with its place in the
network, what it alone can reach: its own loopback, link-local services such as a cloud's metadata, anybody's address.
"""

from __future__ import annotations

import ipaddress
import random
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.handlers.parts import Parts

Object = dict[str, Any]

_LARGEST_PORT = 65535


def check_address(address: str) -> None:
    """See that an address is one that a pod or a node of a network has. Raises ApiError (400)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise errors.bad_request("address not allowed") from None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    found = mapped or found
    broadcast = str(found) == "255.255.255.255"
    if found.is_unspecified or found.is_loopback or found.is_link_local or found.is_multicast or broadcast:
        raise errors.bad_request("address not allowed")


def port_of(text: str, what: str) -> int:
    """The port that a request names. Raises ApiError (400): ``what`` was asked for with something else."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= _LARGEST_PORT):
        raise errors.bad_request(what)
    return int(text)


def scheme_name_port(text: str, kind: str) -> tuple[str, str, str]:
    """ "scheme:name:port", "name:port" or "name". Raises ApiError (400) for anything else."""
    parts = text.split(":")
    if len(parts) > 3 or (len(parts) == 3 and parts[0] not in ("", "http", "https")) or not parts[len(parts) > 2]:
        raise errors.bad_request(f'invalid {kind} request "{text}"')
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    return ("", parts[0], parts[1]) if len(parts) == 2 else ("", parts[0], "")


async def endpoint_address(parts: Parts, namespace: str, addresses: list[Object]) -> str | None:
    """The address of an endpoint of a Service, chosen by chance, that is a pod's of its namespace; None for none."""
    for each in random.sample(addresses, len(addresses)):
        target = each.get("targetRef") or {}
        if target.get("namespace") != namespace or not target.get("name"):
            continue
        try:
            pod = await parts.store.get(("", "pods"), namespace, target["name"])
        except ApiError as error:
            if error.code == 404:
                continue
            raise
        status = pod.get("status") or {}
        known = {status.get("podIP"), *(ip.get("ip") for ip in status.get("podIPs") or ())}
        if each.get("ip") in known:
            return str(each["ip"])
    return None
