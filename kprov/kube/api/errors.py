"""Errors as the API speaks of them: ``Status`` objects with upstream's codes, reasons, messages and details.

The client raises :class:`ApiError` for what a server answered; the server raises the same class, made by the
constructors below, and writes its ``status`` to the wire. So both sides agree by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class GroupPlural(Protocol):
    """Anything that names a served kind: a :class:`~kprov.kube.api.kinds.Resource` or the server's own row."""

    @property
    def group(self) -> str: ...

    @property
    def plural(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Cause:
    """Why one field of an object was refused.

    Args:
        field: path of the field, as ``spec.containers[0].name``.
        reason: upstream's cause type, as ``FieldValueRequired``.
        message: what is wrong, as ``Required value: must be set``.
    """

    field: str
    reason: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """The cause's JSON shape."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


_DETAILS = ("name", "group", "kind", "uid", "causes", "retryAfterSeconds")


class ApiError(Exception):
    """A request was refused or failed, with the ``Status`` that says why."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self.status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, **status}
        super().__init__(self.message)

    @property
    def code(self) -> int:
        """The HTTP status code."""
        return int(self.status.get("code") or 500)

    @property
    def reason(self) -> str:
        """The machine's word for the failure, as ``NotFound``."""
        return str(self.status.get("reason") or "")

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self.status.get("message") or self.reason or f"the server answered with HTTP {self.code}")

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the server asks to be tried again, where it says so."""
        seconds = (self.status.get("details") or {}).get("retryAfterSeconds")
        return float(seconds) if seconds else None


def make(code: int, reason: str, message: str, **details: Any) -> ApiError:
    """An error from its parts; details without a value are left out, as on the wire, and the order is upstream's: there
    are clients that compare the text."""
    status: dict[str, Any] = {"status": "Failure", "message": message, "reason": reason}
    if kept := {key: details[key] for key in (*_DETAILS, *details) if details.get(key)}:
        status["details"] = kept
    return ApiError({**status, "code": code})


def _qualified(resource: GroupPlural) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def not_found(resource: GroupPlural, name: str) -> ApiError:
    """404: there is no such object."""
    message = f'{_qualified(resource)} "{name}" not found'
    return make(404, "NotFound", message, name=name, group=resource.group, kind=resource.plural)


def path_not_found() -> ApiError:
    """404: the path itself is not served."""
    return make(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: GroupPlural, name: str) -> ApiError:
    """409: an object of that name is there already."""
    message = f'{_qualified(resource)} "{name}" already exists'
    return make(409, "AlreadyExists", message, name=name, group=resource.group, kind=resource.plural)


OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: GroupPlural, name: str, message: str = OBJECT_MODIFIED) -> ApiError:
    """409: the write's precondition does not hold (any more)."""
    text = f'Operation cannot be fulfilled on {_qualified(resource)} "{name}": {message}'
    return make(409, "Conflict", text, name=name, group=resource.group, kind=resource.plural)


def invalid(kind: str, name: str, causes: Iterable[Cause | Mapping[str, str]], *, group: str = "") -> ApiError:
    """422: the object is understood and wrong; every wrong field is a cause."""
    rows = [cause.as_dict() if isinstance(cause, Cause) else dict(cause) for cause in causes]
    said = list(
        dict.fromkeys(f"{row['field']}: {row['message']}" if row.get("field") else row["message"] for row in rows)
    )
    summary = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    qualified = f"{kind}.{group}" if group else kind
    message = f'{qualified} "{name}" is invalid' + (f": {summary}" if said else "")
    return make(422, "Invalid", message, name=name, group=group, kind=kind, causes=rows)


def forbidden(resource: GroupPlural | None, name: str, message: str) -> ApiError:
    """403: authenticated, and not allowed to."""
    if resource is None:
        return make(403, "Forbidden", f"forbidden: {message}")
    named = f'{_qualified(resource)} "{name}"' if name else _qualified(resource)
    text = f"{named} is forbidden: {message}"
    return make(403, "Forbidden", text, name=name, group=resource.group, kind=resource.plural)


def unauthorized(message: str = "Unauthorized") -> ApiError:
    """401: the server does not know who is asking."""
    return make(401, "Unauthorized", message)


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return make(400, "BadRequest", message)


def method_not_supported(resource: GroupPlural, verb: str) -> ApiError:
    """405: the kind does not know this verb."""
    message = f"{verb} is not supported on resources of kind {_quoted(_qualified(resource))}"
    return make(405, "MethodNotAllowed", message, group=resource.group, kind=resource.plural)


def not_acceptable(message: str) -> ApiError:
    """406: none of the media types asked for can be served."""
    return make(406, "NotAcceptable", message)


def unsupported_media_type(message: str) -> ApiError:
    """415: the body's media type is not understood."""
    return make(415, "UnsupportedMediaType", message)


def too_large(message: str) -> ApiError:
    """413: the body is larger than the server takes."""
    return make(413, "RequestEntityTooLarge", f"Request entity is too large: {message}")


def gone(message: str) -> ApiError:
    """410: what was asked for is no longer there."""
    return make(410, "Gone", message)


def expired(message: str) -> ApiError:
    """410: the resource version (or continue token) is older than what the server keeps: list again."""
    return make(410, "Expired", message)


def too_many_requests(message: str, retry_after_seconds: int = 1) -> ApiError:
    """429: try again after that many seconds."""
    return make(429, "TooManyRequests", message, retryAfterSeconds=retry_after_seconds)


def timeout(message: str, retry_after_seconds: int = 0) -> ApiError:
    """504: not done in time; it may have happened all the same."""
    return make(504, "Timeout", f"Timeout: {message}", retryAfterSeconds=retry_after_seconds)


def service_unavailable(message: str) -> ApiError:
    """503: the server cannot do this at the moment."""
    return make(503, "ServiceUnavailable", message)


def internal(message: str) -> ApiError:
    """500: a fault of the server's own."""
    return make(500, "InternalError", f"Internal error occurred: {message}", causes=[{"message": message}])


def is_not_found(error: BaseException) -> bool:
    """Whether the object was not there."""
    return isinstance(error, ApiError) and error.reason == "NotFound"


def is_conflict(error: BaseException) -> bool:
    """Whether a precondition of a write did not hold."""
    return isinstance(error, ApiError) and error.reason == "Conflict"


def is_already_exists(error: BaseException) -> bool:
    """Whether the object to create was there already."""
    return isinstance(error, ApiError) and error.reason == "AlreadyExists"


def is_expired(error: BaseException) -> bool:
    """Whether the server no longer has the history that was asked for."""
    return isinstance(error, ApiError) and error.code == 410


def _quoted(text: str) -> str:
    return f'"{text}"'
