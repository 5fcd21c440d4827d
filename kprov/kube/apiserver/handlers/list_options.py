"""What a list's and a watch's parameters may say together."""

from __future__ import annotations

from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.request_options import wrong_option
from kprov.kube.apiserver.strategy.base import FieldError, forbidden, not_supported

_MATCH, _INITIAL = "resourceVersionMatch", "sendInitialEvents"
_EXACT, _NOT_OLDER = "Exact", "NotOlderThan"


def check_list(request: Request) -> None:
    """See that a list's parameters make sense. Raises ApiError (422)."""
    query, found = request.query, list[FieldError]()
    version = query.get("resourceVersion", "")
    if match := query.get(_MATCH, ""):
        if not version:
            found.append(forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided"))
        if query.get("continue", ""):
            found.append(forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
        if match not in (_EXACT, _NOT_OLDER):
            found.append(not_supported(_MATCH, match, [_EXACT, _NOT_OLDER, ""]))
        if match == _EXACT and version == "0":
            found.append(forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if _INITIAL in query:
        found.append(forbidden(_INITIAL, f"{_INITIAL} is forbidden for list"))
    _refuse(found)


def check_watch(request: Request) -> None:
    """See that a watch's parameters make sense. Raises ApiError (422)."""
    query, found = request.query, list[FieldError]()
    match = query.get(_MATCH, "")
    if _INITIAL in query and match != _NOT_OLDER:
        found.append(forbidden(_MATCH, f"{_INITIAL} requires setting {_MATCH} to {_NOT_OLDER}"))
    if match:
        if _INITIAL not in query:
            found.append(forbidden(_MATCH, f"{_MATCH} is forbidden for watch unless {_INITIAL} is provided"))
        if match != _NOT_OLDER:
            found.append(not_supported(_MATCH, match, [_NOT_OLDER]))
        if query.get("continue", ""):
            found.append(forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
    _refuse(found)


def _refuse(found: list[FieldError]) -> None:
    if found:
        raise wrong_option("ListOptions", *found)
