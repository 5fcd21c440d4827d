"""The base strategy: what the API server's core asks of a kind, with answers that suit a kind without behaviour.

The core itself does what is the same for every kind, in this order for a write:

    decode -> check apiVersion, kind, name and namespace against the URL -> ``default`` -> mutating admission
    -> metadata (uid, creationTimestamp, generateName, generation, what a client may not set), and, for kinds with a
    status subresource: a create drops status, an update keeps the stored one, a status update keeps all but status
    -> ``prepare_for_*`` -> ``validate*`` -> validating admission -> storage

Metadata (names, labels, annotations, owner references, finalizers) is validated by the core with ``name_error``.
Every hook takes plain dicts and may change ``obj`` in place, never ``old``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field, in upstream's terms. Make them with the functions below."""

    field: str  # "spec.containers[0].name"
    reason: str  # upstream's cause: FieldValueRequired, FieldValueInvalid, ...
    body: str  # what follows "FIELD: "

    @property
    def message(self) -> str:
        """The sentence as kubectl prints it."""
        return f"{self.field}: {self.body}"

    def cause(self) -> dict[str, str]:
        """The StatusCause."""
        return {"reason": self.reason, "message": self.body, "field": self.field}


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def required(path: str, detail: str = "") -> FieldError:
    """A field that must be given is missing."""
    return FieldError(path, "FieldValueRequired", f"Required value{': ' + detail if detail else ''}")


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value that may not be."""
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {_show(value)}: {detail}")


def not_supported(path: str, value: Any, supported: list[str]) -> FieldError:
    """A value outside a closed set."""
    known = ", ".join(_show(item) for item in supported)
    return FieldError(path, "FieldValueNotSupported", f"Unsupported value: {_show(value)}: supported values: {known}")


def duplicate(path: str, value: Any) -> FieldError:
    """A value that must be unique appears again."""
    return FieldError(path, "FieldValueDuplicate", f"Duplicate value: {_show(value)}")


def forbidden(path: str, detail: str) -> FieldError:
    """A field that may not be set, or not changed, here."""
    return FieldError(path, "FieldValueForbidden", f"Forbidden: {detail}")


def not_found(path: str, value: Any) -> FieldError:
    """A value that refers to nothing."""
    return FieldError(path, "FieldValueNotFound", f"Not found: {_show(value)}")


def too_long(path: str, limit: int) -> FieldError:
    """A value of too many bytes."""
    return FieldError(path, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    """A list of too many items."""
    return FieldError(path, "FieldValueTooMany", f"Too many: {actual}: must have at most {limit} items")


@dataclass(frozen=True, slots=True)
class StrategyContext:
    """What a strategy may know about the write besides the object."""

    user: UserInfo
    resource: ResourceInfo
    version: str  # the version that the client speaks
    namespace: str = ""
    subresource: str = ""
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)  # append: each becomes a Warning header


_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def dns_subdomain_error(name: str) -> str | None:
    """What is wrong with a name that must be a DNS subdomain (most kinds), or None."""
    if len(name) > 253:
        return "must be no more than 253 characters"
    return None if _DNS_SUBDOMAIN.fullmatch(name) else SUBDOMAIN_MESSAGE


def dns_label_error(name: str) -> str | None:
    """What is wrong with a name that must be a DNS label (namespaces, services), or None."""
    if len(name) > 63:
        return "must be no more than 63 characters"
    return None if _DNS_LABEL.fullmatch(name) else LABEL_MESSAGE


def path_segment_error(name: str) -> str | None:
    """What is wrong with a name that only has to fit into a path (RBAC's kinds), or None."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    bad = [char for char in "/%" if char in name]
    return f"may not contain '{bad[0]}'" if bad else None


class Strategy:
    """What is particular to one kind. Subclasses override what they need."""

    def name_error(self, name: str) -> str | None:
        """What is wrong with an object's name, or None."""
        return dns_subdomain_error(name)

    def default(self, obj: Object) -> None:
        """Fill in what upstream's defaulting fills in; called for objects that clients send, before admission."""

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Set and clear what a client may not decide at creation."""

    def prepare_for_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """Keep what a client may not change."""

    def prepare_for_status_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """As prepare_for_update, for the status subresource; the core has kept all but status already."""

    def prepare_for_subresource_update(self, subresource: str, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """For the further subresources that take the whole object (approval, ephemeralcontainers, resize, finalize)."""

    def prepare_for_delete(self, obj: Object) -> None:
        """Write down what a deletion waits for, when it is first asked for."""

    def validate(self, obj: Object) -> list[FieldError]:
        """What is wrong with an object to be created."""
        return []

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """What is wrong with an update: by default, what would be wrong with a create."""
        return self.validate(obj)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """What is wrong with an update of status."""
        return []

    def validate_subresource_update(self, subresource: str, obj: Object, old: Object) -> list[FieldError]:
        """What is wrong with an update through another subresource."""
        return []

    def warnings(self, obj: Object) -> list[str]:
        """What to tell a client that sends this object, though it is accepted."""
        return []
