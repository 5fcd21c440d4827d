"""The process that keeps connections between two runs of kprov. Standard library only: it is started as a file.

A run waits for its start, so it imports no more than it needs: dataclasses, pathlib and typing would double that.

It has the sockets, and what the next run needs to go on with them, in its memory, and neither reads nor sends anything
on them. It serves its own user alone, hands each connection out once, and ends with the last one.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# The longest message: far more than the state of a connection, less than what a socket takes at once.
LARGEST = 64 * 1024

# Longer than anyone means; what has no end at all would never be let go.
LONGEST = 366 * 86400.0

# So often it looks whether its socket is still there.
LOOK = 2.0

# An answer to `list` names so many at once.
_AT_ONCE = 200

_GONE = select.POLLHUP | select.POLLERR | select.POLLRDHUP | select.POLLNVAL


def user_of(connection: socket.socket) -> int:
    """Whose process is on the other side."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid


class _Kept:
    __slots__ = ("host", "sock", "state", "until")

    def __init__(self, sock: socket.socket, state: dict[str, Any], host: str, until: float) -> None:
        self.sock, self.state, self.host, self.until = sock, state, host, until


class Keeper:
    """Keeps connections.

    Args:
        listener: where commands ask for them.
        path: the listener's, as long as it is there.
    """

    def __init__(self, listener: socket.socket, path: str) -> None:
        self._listener = listener
        self._path = path
        self._identity = self._look()
        self._kept: dict[str, _Kept] = {}
        self._clients: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._served = False

    def _look(self) -> tuple[int, int] | None:
        try:
            status = os.lstat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def run(self, first: float = 30.0) -> None:
        """Serve until nothing is kept and nobody asks.

        Args:
            first: seconds that the one who started it has to come.
        """
        begun = time.monotonic()
        while self._identity is not None and self._look() == self._identity:
            if not self._kept and not self._clients and (self._served or time.monotonic() > begun + first):
                break
            now = time.monotonic()
            pause = min([LOOK, *(kept.until - now for kept in self._kept.values())])
            for descriptor, event in self._poll.poll(max(0.0, pause) * 1000 + 1):
                self._take_event(descriptor, event)
            self._end_old(time.monotonic())
        if self._identity is not None and self._look() == self._identity:
            _remove(self._path)

    def _take_event(self, descriptor: int, event: int) -> None:
        if descriptor == self._listener.fileno():
            self._accept()
        elif descriptor in self._clients:
            self._serve(self._clients[descriptor])
        elif event & _GONE:
            for key, kept in list(self._kept.items()):
                if kept.sock.fileno() == descriptor:
                    self._drop(key)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        if user_of(client) != os.getuid():
            client.close()
            return
        client.setblocking(False)
        self._clients[client.fileno()] = client
        self._poll.register(client, select.POLLIN)
        self._served = True

    def _leave(self, client: socket.socket) -> None:
        self._poll.unregister(client)
        del self._clients[client.fileno()]
        client.close()

    def _serve(self, client: socket.socket) -> None:
        given: list[int] = []
        try:
            text, given, flags, _ = socket.recv_fds(client, LARGEST, 1)
            if not text or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                self._leave(client)
                return
            request = json.loads(text)
            answers, out = self._answer(request, given)
        except BlockingIOError:
            return
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
            self._leave(client)  # what it asks is no request
            return
        finally:
            for descriptor in given:
                os.close(descriptor)
        try:
            for answer in answers:
                socket.send_fds(client, [json.dumps(answer).encode()], [out.fileno()] if out is not None else [])
        except OSError:  # it has gone, or does not read: what it was to get is gone, too
            self._leave(client)
        finally:
            if out is not None:
                out.close()

    def _answer(self, request: dict[str, Any], given: list[int]) -> tuple[list[dict[str, Any]], socket.socket | None]:
        """What is said, and the connection that goes with it."""
        what = request["do"]
        if what == "keep":
            key, state, host = str(request["key"]), dict(request["state"]), str(request["host"])
            seconds = float(request["seconds"])
            if not seconds > 0 or not stat.S_ISSOCK(os.fstat(given[0]).st_mode):
                raise ValueError(what)
            until = time.monotonic() + min(seconds, LONGEST)
            self._drop(key)
            self._kept[key] = kept = _Kept(socket.socket(fileno=os.dup(given[0])), state, host, until)
            self._poll.register(kept.sock, select.POLLRDHUP)
            return [{}], None
        if what == "take":
            found = self._kept.pop(request["key"], None)
            if found is None:
                return [{}], None
            self._poll.unregister(found.sock)
            return [{"state": found.state}], found.sock
        if what == "list":
            now = time.monotonic()
            lines = [[kept.host, round(kept.until - now)] for kept in self._kept.values()]
            pieces = [lines[start : start + _AT_ONCE] for start in range(0, len(lines), _AT_ONCE)]
            return [*({"kept": piece} for piece in pieces), {}], None
        if what == "close":
            hosts = request.get("hosts")
            ended = [key for key, kept in self._kept.items() if hosts is None or kept.host in hosts]
            self._drop_all(ended)
            return [{"closed": len(ended)}], None
        raise ValueError(what)

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._poll.unregister(kept.sock)
            kept.sock.close()

    def _drop_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._drop(key)

    def _end_old(self, now: float) -> None:
        self._drop_all([key for key, kept in self._kept.items() if kept.until <= now])


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108 - see above
    except OSError:
        pass


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)


def main() -> None:
    """Keep connections: the listening socket is file 0, its path the only argument."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    # What is kept must not be written to a disk when something breaks.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    path = sys.argv[1]
    keeper = Keeper(socket.socket(fileno=os.dup(0)), path)
    try:
        keeper.run()
    except SystemExit:
        _remove(path)


if __name__ == "__main__":
    main()
