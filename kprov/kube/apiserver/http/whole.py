"""Answers that are at hand as a whole, in one write: what most requests get, at a third of what aiohttp's own cost."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from kprov.kube.apiserver.http.message import Response

_FRAMING = frozenset({"connection", "content-length", "content-type", "date", "transfer-encoding"})
_WITHOUT_BODY = frozenset({204, 304})
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n"
    for status in HTTPStatus
    if status >= 200 and status not in _WITHOUT_BODY
}
_COPIED = 64 << 10  # bytes of a body that are copied behind the headers rather than written by themselves


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


class Whole(web.StreamResponse):
    """What aiohttp's server is told to send."""

    def __init__(self, head: bytes, body: bytes) -> None:
        # Nothing of StreamResponse's own state is wanted: it is what aiohttp asks to write, and whether to go on then.
        self._head, self._whole = head, body
        self._writer: AbstractStreamWriter | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write. Raises ConnectionResetError where the client went away."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client went away")
        self._keep_alive = request.keep_alive
        self._writer = request.writer
        if len(self._whole) <= _COPIED:
            transport.write(self._head + self._whole)
        else:
            transport.writelines((self._head, self._whole))
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Return once the client has read enough of it."""
        if self._writer is not None:
            await self._writer.drain()


def whole(request: web.BaseRequest, answer: Response) -> Whole | None:
    """An answer ready to be written; None where it is none of the plain ones, and aiohttp knows better."""
    line = _STATUS_LINES.get(answer.status)
    if line is None or request.method == "HEAD" or request.version != (1, 1):
        return None
    fields = [line]
    for name, value in answer.headers.items():
        if name.lower() in _FRAMING or not name.isprintable() or not value.isprintable():
            return None  # aiohttp refuses what would end a line, with more words
        fields.append(f"{name}: {value}\r\n")
    if answer.content_type:
        if not answer.content_type.isprintable():
            return None
        fields.append(f"Content-Type: {answer.content_type}\r\n")
    close = "" if request.keep_alive else "Connection: close\r\n"
    fields.append(f"Content-Length: {len(answer.body)}\r\nDate: {_date(int(time.time()))}\r\n{close}\r\n")
    return Whole("".join(fields).encode(), answer.body)
