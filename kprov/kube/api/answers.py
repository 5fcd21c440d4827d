"""What an API server's answers say: their content, their errors, and when to ask again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from kprov.kube.api.errors import ApiError, make

_REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Gone"}
_REASONS |= {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a body, of any length: large objects are longer than StreamReader's own limit."""
    parts: list[bytes] = []
    while chunk := await content.readany():
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            parts.append(line)
            complete = b"".join(parts)
            parts.clear()
            if complete:
                yield complete
        if rest:
            parts.append(rest)


def decoded(response: aiohttp.ClientResponse, raw: bytes) -> Any:
    """The parsed JSON, or the text where the answer is not JSON."""
    if response.content_type == "application/json":
        return orjson.loads(raw) if raw else None
    return raw.decode(errors="replace")


def error_of(response: aiohttp.ClientResponse, raw: bytes) -> ApiError:
    """The error in an answer; one of our own making where a proxy in between answered."""
    try:
        status = orjson.loads(raw)
        if isinstance(status, dict) and status.get("kind") == "Status":
            status.setdefault("code", response.status)
            return ApiError(status)
    except orjson.JSONDecodeError:
        pass
    text = raw.decode(errors="replace").strip()[:500] or response.reason or ""
    return make(response.status, _REASONS.get(response.status, "Unknown"), text)


def seconds_to_wait(response: aiohttp.ClientResponse, error: ApiError, method: str) -> float | None:
    """Seconds to wait before repeating; None where the answer is final."""
    asked = response.headers.get("Retry-After", "")
    if response.status == 429:  # the server did nothing with it, so any method may be repeated
        return min(float(asked), 30.0) if asked.isdigit() else error.retry_after
    if response.status >= 500 and method == "GET" and asked.isdigit():
        return min(float(asked), 30.0)
    return None
