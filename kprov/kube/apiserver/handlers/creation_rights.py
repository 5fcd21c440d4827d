"""Replacing what may not be there yet: who makes an object that way must be allowed to create it, too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.authorization.refusal import forbidden
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.storage.entry import Entry

_ATTEMPTS = 5


async def replace_or_create(
    parts: Parts,
    request: Request,
    replacing: Callable[[], Awaitable[Entry]],
    creating: Callable[[], Awaitable[Entry]],
) -> tuple[Entry, bool]:
    """Do the one where the object is there, or else the other; returns the object and whether it was created.

    Args:
        parts: the rooms.
        request: the PUT or the apply.
        replacing: changes the object; raises ApiError (not found) where there is none.
        creating: creates it; raises ApiError (already exists) where somebody else was faster: then it is changed.

    Raises:
        ApiError: 403 for who may not create it, and what the two raise.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return await replacing(), False
        except ApiError as error:
            if error.reason != "NotFound":
                raise
        await _check_creation(parts, request)
        try:
            return await creating(), True
        except ApiError as error:
            if error.reason != "AlreadyExists" or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


async def _check_creation(parts: Parts, request: Request) -> None:
    """What was authorized is an update or a patch; the right to create is given apart from it. Raises ApiError."""
    asked = replace(request.info, verb="create")
    decision = await parts.authorizer.authorize(request.user, asked)
    if not decision.allowed:
        raise forbidden(request.user, asked, decision.reason)
