"""A process full of watchers: python -m apiservers.watchers PORT PATH COUNT, its token in KPROV_TOKEN.

One thread with epoll, that looks at no more of an event than it must. It prints "open", then, when as many events have
come as the line on its standard input says for each watcher ("latency" or "burst", and a number), a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import ssl
import sys
import time
from typing import Any

_SECONDS = 60.0
_STAMP = b'"stamp":"t'
_EVENT = b'{"type":"'


class Watchers:
    """Connections that watch."""

    def __init__(self, port: int, path: str, count: int) -> None:
        """Raises RuntimeError where a watch is refused."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        head = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
            f"Authorization: Bearer {os.environ['KPROV_TOKEN']}\r\n\r\n"
        ).encode()
        self._poll = select.epoll()
        self._connections: dict[int, ssl.SSLSocket] = {}
        self._rest: dict[int, bytes] = {}
        for _ in range(count):
            plain = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
            connection = context.wrap_socket(plain)
            connection.sendall(head)
            self._connections[connection.fileno()] = connection
        for number, connection in self._connections.items():
            got = b""
            while b"\r\n\r\n" not in got:
                got += connection.recv(65536)
            if b" 200 " not in got[:20]:
                raise RuntimeError(got.decode(errors="replace"))
            connection.setblocking(False)
            self._rest[number] = b""
            self._poll.register(number, select.EPOLLIN)

    def collect(self, events: int, stamped: bool) -> dict[str, Any]:
        """Read until every watcher has had so many events."""
        wanted, got, late = events * len(self._connections), 0, []
        first = last = 0.0
        began, cpu = time.monotonic(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        while got < wanted:
            ready = self._poll.poll(_SECONDS)
            if not ready:
                raise RuntimeError(f"{got} of {wanted} events came, and then none for {_SECONDS:g} s")
            for number, _ in ready:
                data = self._read(number)
                moment = time.monotonic()
                if stamped:
                    late += self._lateness(number, data, moment)
                    got = len(late)
                else:
                    data = self._rest[number] + data
                    got += data.count(_EVENT)
                    self._rest[number] = data[1 - len(_EVENT) :]
                first, last = first or moment, moment
        late.sort()
        return {
            "events": got,
            "seconds": last - first,
            "p50": late[len(late) // 2] * 1000 if late else None,
            "p99": late[len(late) * 99 // 100] * 1000 if late else None,
            "busy": (sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - cpu) / (last - began),
        }

    def _read(self, number: int) -> bytes:
        pieces = []
        try:
            while piece := self._connections[number].recv(262_144):
                pieces.append(piece)
            raise RuntimeError("the server ended a watch")
        except (ssl.SSLWantReadError, BlockingIOError):
            return b"".join(pieces)

    def _lateness(self, number: int, data: bytes, moment: float) -> list[float]:
        data = self._rest[number] + data
        found, at = [], data.find(_STAMP)
        while at >= 0 and (end := data.find(b'"', at + len(_STAMP))) >= 0:
            found.append(moment - int(data[at + len(_STAMP) : end]) / 1e6)
            data = data[end:]
            at = data.find(_STAMP)
        self._rest[number] = data[max(at, 0) :] if at >= 0 else data[-len(_STAMP) :]
        return found


def main() -> None:
    """Open, and collect what standard input asks for."""
    watchers = Watchers(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    print("open", flush=True)
    for line in sys.stdin:
        kind, events = line.split()
        print(json.dumps(watchers.collect(int(events), kind == "latency")), flush=True)


if __name__ == "__main__":
    main()
