"""TCP to a machine: the connection that SSH runs on, and how each way of not getting one is told."""

from __future__ import annotations

import contextlib
import socket

from kprov.provision.transport import reasons
from kprov.provision.transport.target import Target


def open_socket(target: Target) -> socket.socket:
    """A TCP connection without Nagle's delay, which costs 40 ms a request.

    Raises:
        NameNotResolved, Refused, TimedOut, Unreachable: why not.
    """
    try:
        candidates = socket.getaddrinfo(target.address, target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise reasons.no_address(target, getattr(error, "strerror", None) or error) from None
    last: OSError | None = None
    for family, kind, protocol, _, address in candidates:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(target.connect_timeout)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(AttributeError, OSError):  # Linux has it
            # What was sent and not taken for so long ends the connection: the machine was unplugged, or is stuck.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(target.silence_timeout * 1000))
        connection.settimeout(None)
        return connection
    if isinstance(last, ConnectionRefusedError):
        raise reasons.refused(target)
    if isinstance(last, TimeoutError):
        raise reasons.no_answer(target)
    raise reasons.no_way(target, last.strerror if last else "no address")
