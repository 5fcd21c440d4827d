"""Requests and responses, free of any framework."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from kprov.kube.apiserver.request import RequestInfo, UserInfo, says_true

JSON = "application/json"


class MultiValues(Protocol):
    """Names with several values each: queries, and headers (whatever the names' case)."""

    def get(self, name: str, default: str = "") -> str:
        """The first value of a name."""

    def getall(self, name: str, default: Iterable[str] = ()) -> list[str]:
        """Every value of a name."""

    def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, name: object) -> bool: ...

    def items(self) -> Iterable[tuple[str, str]]:
        """All pairs."""


@dataclass(slots=True)
class Request:
    """One request, on its way through the server: each step fills in what it finds out."""

    method: str
    path: str  # decoded
    raw_path: str  # as sent, with the query: what a proxy passes on
    query: Any  # MultiValues
    headers: Any  # MultiValues
    body: bytes
    peer_cert: bytes | None
    remote: str
    user: UserInfo
    info: RequestInfo
    warnings: list[str] = field(default_factory=list)
    audit: Any = None  # the audit log's Event, where the request is recorded
    peer_chain: Callable[[], Sequence[bytes]] = tuple  # how TLS verified peer_cert: it first, an authority's last

    def flag(self, name: str) -> bool:
        """Whether a query parameter says true."""
        return says_true(self.query, name)


@dataclass(slots=True)
class Response:
    """A response whose body is at hand: in ``body``, or, where it is large and made of what lies there already, in
    ``pieces``, so that it is never in memory as a whole."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: MutableMapping[str, str] = field(default_factory=dict)  # a multidict where a name has several values
    pieces: Sequence[bytes] = ()

    def whole(self) -> bytes:
        """The body, put together if it was in pieces."""
        if self.pieces:
            self.body, self.pieces = b"".join(self.pieces), ()
        return self.body


class Outlet(Protocol):
    """The way to a client that gets its answer in pieces, for who sends some of them by themselves."""

    def send(self, frame: bytes) -> bool:
        """Send a piece, in the chunked coding already; returns whether the client reads fast enough for more."""

    async def drain(self) -> None:
        """Return once it does."""


class BrokenOff(Exception):
    """Raised by a stream's iterator that ends before its time: the client must not take what came for the whole."""


@dataclass(slots=True)
class Stream:
    """A response whose body comes in pieces. The iterator is closed when the client goes away."""

    chunks: AsyncIterator[bytes]
    status: int = 200
    content_type: str = JSON
    headers: MutableMapping[str, str] = field(default_factory=dict)  # a multidict where a name has several values
    ended: Callable[[], None] | None = None  # called when the last piece is sent, or nobody wants any more
    take_outlet: Callable[[Outlet], None] | None = None  # called before the first piece is asked for


@dataclass(slots=True)
class Tunnel:
    """The connection is handed over: ``head`` is sent to another server, and all bytes pass both ways from then on."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    head: bytes
    server_name: str | None = None
    unreachable: Callable[[str], Response] | None = None  # what is answered where the other server is not to be had
    ended: Callable[[], None] | None = None  # called when the connection is over


Answer = Response | Stream | Tunnel


def json_response(obj: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of a JSON value."""
    return Response(orjson.dumps(obj), status, JSON, dict(headers or {}))
