"""File contents by their hash: asked for only where they are needed, received in chunks, verified."""

from __future__ import annotations

import _thread
import hashlib
import os
import threading
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed

# Contents kept in memory between tasks (the same file may go to several places).
KEPT = 32 * 1024 * 1024


_PIECE = 1 << 20


# The modules of Python that have a digest built in. Loading OpenSSL's takes longer than digesting a file.
_BUILT_IN = {"sha256": ("_sha2", "_sha256"), "sha1": ("_sha1",)}

_makers: dict[str, Any] = {}


def _built_in(algorithm: str) -> Any:
    """What makes a digest by Python's own code, None where it has none."""
    if algorithm not in _makers:
        found = None
        for name in _BUILT_IN.get(algorithm, ()):
            try:
                found = getattr(__import__(name), algorithm)
                break
            except ImportError:
                continue
        _makers[algorithm] = found
    return _makers[algorithm]


def _digest(algorithm: str, size: int) -> Any:
    make = _built_in(algorithm) if size < _PIECE else None
    return make() if make is not None else hashlib.new(algorithm, usedforsecurity=False)


def sha256(size: int) -> Any:
    """A SHA-256 to be fed. For little data the one that Python has built in.

    Args:
        size: about how many bytes will come; a mebibyte or more is a lot.
    """
    return _digest("sha256", size)


def file_hash(path: str) -> str | None:
    """The SHA-256 of a regular file's content, None where there is none (or it may not be read)."""
    try:
        return file_digests(path, "sha256")[0]
    except OSError:
        return None


def file_digests(path: str, *algorithms: str) -> list[str]:
    """A file's digests by some algorithms, as a person would compare them; it is read once.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as stream:
        chunk = stream.read(_PIECE)
        digests = [_digest(algorithm, len(chunk)) for algorithm in algorithms]
        while chunk:
            for digest in digests:
                digest.update(chunk)
            chunk = stream.read(_PIECE)
    return [digest.hexdigest() for digest in digests]


class _Arrival:
    """One content on its way."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.chunks: list[bytes] = []
        self.sink: BinaryIO | None = None
        self.received = 0
        self.digest = sha256(size)
        self.done = threading.Event()
        self.error: str | None = None
        self.unpack = zlib.decompressobj()


class Contents:
    """What the controller sent, by hash.

    Args:
        ask: sends a request for a content to the controller.
    """

    def __init__(self, ask: Callable[[dict[str, Any]], None]) -> None:
        self._ask = ask
        self._lock = _thread.allocate_lock()
        self._arrivals: dict[str, _Arrival] = {}
        self._closed = False

    def want(self, sha256: str, size: int, sink: BinaryIO | None = None) -> _Arrival:
        """Ask for a content unless it was asked for already."""
        with self._lock:
            if self._closed:
                raise ConnectionEnded()
            arrival = self._arrivals.get(sha256)
            if arrival is not None and arrival.error is None:
                return arrival
            arrival = _Arrival(size)
            arrival.sink = sink
            self._arrivals[sha256] = arrival
            self._forget_old(sha256)
        self._ask({"op": "need", "sha256": sha256})
        return arrival

    def _forget_old(self, newest: str) -> None:
        total = sum(arrival.received for arrival in self._arrivals.values() if arrival.sink is None)
        for name in list(self._arrivals):
            if total <= KEPT:
                return
            arrival = self._arrivals[name]
            if name != newest and arrival.done.is_set():
                total -= arrival.received
                del self._arrivals[name]

    def receive(self, message: dict[str, Any], body: bytes) -> None:
        """Take a chunk (called by the thread that reads the connection)."""
        with self._lock:
            arrival = self._arrivals.get(message["sha256"])
        if arrival is None or arrival.done.is_set():
            return
        try:
            if message.get("error"):
                arrival.error = str(message["error"])
            else:
                room = arrival.size - arrival.received + 1  # what unpacks to more than was announced is not unpacked
                data = arrival.unpack.decompress(body, room) if message.get("compressed") else body
                arrival.digest.update(data)
                arrival.received += len(data)
                if arrival.received > arrival.size:
                    raise OSError("more arrived than the %d bytes that were announced" % arrival.size)
                if arrival.sink is not None:
                    arrival.sink.write(data)
                else:
                    arrival.chunks.append(data)
                if message.get("last") and arrival.digest.hexdigest() != message["sha256"]:
                    arrival.error = "the content that arrived is not what was announced (its checksum differs)"
        except (OSError, zlib.error) as error:  # a full disk must fail the task, not the connection
            arrival.error = str(error)
        if arrival.error or message.get("last"):
            arrival.done.set()

    def close(self) -> None:
        """The connection ended: nobody waits any longer."""
        with self._lock:
            self._closed = True
            arrivals = list(self._arrivals.values())
        for arrival in arrivals:
            if not arrival.done.is_set():
                arrival.error = "the connection ended"
                arrival.done.set()

    def _finish(self, arrival: _Arrival) -> None:
        arrival.done.wait()
        if self._closed:
            raise ConnectionEnded()
        if arrival.error:
            raise ModuleFailed("content could not be received: %s" % arrival.error)

    def data(self, sha256: str, size: int) -> bytes:
        """The content as bytes; waits for it.

        Raises:
            ModuleFailed: it could not be sent or arrived damaged.
        """
        arrival = self.want(sha256, size)
        if arrival.sink is not None:
            raise ModuleFailed("content %s was streamed to a file and is not in memory" % sha256[:12])
        self._finish(arrival)
        if len(arrival.chunks) > 1:
            arrival.chunks = [b"".join(arrival.chunks)]
        return arrival.chunks[0] if arrival.chunks else b""

    def into(self, sha256: str, size: int, stream: BinaryIO) -> None:
        """Write the content to a stream as it arrives, without holding it in memory.

        Raises:
            ModuleFailed: it could not be sent or arrived damaged; what the stream holds is to be thrown away.
        """
        free = os.fstatvfs(stream.fileno())
        if size > free.f_bavail * free.f_frsize:
            raise ModuleFailed(
                "%d MB are needed and only %d MB are free on this disk"
                % (size >> 20, (free.f_bavail * free.f_frsize) >> 20)
            )
        arrival = self.want(sha256, size, stream)
        self._finish(arrival)
        if arrival.sink is None:
            for chunk in arrival.chunks:
                stream.write(chunk)
        else:
            with self._lock:  # it is in the stream, not in memory: the next who wants it must ask again
                self._arrivals.pop(sha256, None)
