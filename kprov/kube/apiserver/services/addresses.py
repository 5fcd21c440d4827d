"""Which address the members of the cluster reach this server by."""

from __future__ import annotations

import ipaddress
import socket


def advertise_address(wanted: str) -> str:
    """The address as given, or, for "any address", the one that a packet to elsewhere would leave from."""
    if wanted and not ipaddress.ip_address(wanted).is_unspecified:
        return wanted
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: a route is looked up
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
