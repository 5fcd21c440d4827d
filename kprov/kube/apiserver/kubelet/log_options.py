"""What a request for a container's log may ask, as upstream judges it before anybody is asked."""

from __future__ import annotations

import re
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.clock import is_time
from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid

_LOWEST = {"limitBytes": 1, "sinceSeconds": 1, "tailLines": 0}
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def check(query: Any, name: str) -> None:
    """See that a query can be answered.

    Args:
        query: the request's parameters.
        name: the pod's name.

    Raises:
        ApiError: 400 for what can't be read, 422 for what makes no sense.
    """
    found: list[FieldError] = []
    for field, lowest in _LOWEST.items():
        text = query.get(field, "")
        if not text:
            continue
        if not _NUMBER.fullmatch(text):
            raise errors.bad_request(f'strconv.ParseInt: parsing "{text[:64]}": invalid syntax')
        if int(text) < lowest:
            least = "than 0" if lowest else "than or equal to 0"
            found.append(invalid(field, int(text), f"must be greater {least}"))
    since = query.get("sinceTime", "")
    if since and not is_time(since):
        raise errors.bad_request(f'parsing time "{since[:64]}" as "2006-01-02T15:04:05Z07:00": cannot parse it')
    if since and query.get("sinceSeconds", ""):
        found.append(forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if found:
        raise errors.invalid("PodLogOptions", name, [each.cause() for each in found])
