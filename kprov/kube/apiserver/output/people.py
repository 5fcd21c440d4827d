"""Answers that somebody reads with their own eyes."""

from __future__ import annotations

import orjson

from kprov.kube.apiserver.http.message import Request, Response


def is_for_people(request: Request) -> bool:
    """Whether somebody reads the answer with their own eyes, as upstream guesses it."""
    wanted = request.query.get("pretty", "")
    if wanted:
        return wanted not in ("0", "false")
    return str(request.headers.get("User-Agent", "")).startswith(("curl", "Wget", "Mozilla/5.0"))


def indented(answer: Response) -> bytes:
    """The body on many lines, if it is JSON."""
    if not answer.content_type.startswith("application/json") or "Content-Encoding" in answer.headers:
        return answer.whole()
    try:
        return orjson.dumps(orjson.loads(answer.whole()), option=orjson.OPT_INDENT_2)
    except orjson.JSONDecodeError:
        return answer.body
