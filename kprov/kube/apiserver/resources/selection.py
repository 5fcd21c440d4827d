"""Which objects a request selects: label and field selectors over entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.selectors import FieldSelector, SelectorError, parse_field_selector, parse_label_selector
from kprov.kube.apiserver.extensions import kinds, selectable
from kprov.kube.apiserver.extensions.schema import default
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.resources.table import RESOURCES
from kprov.kube.apiserver.storage.entry import Entry

Object = dict[str, Any]


def _lookup(obj: Object, path: str) -> str:
    """The text of a field, as selectors compare it."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


_SPECIAL: dict[str, Callable[[Object], str]] = {
    "source": lambda obj: _lookup(obj, "source.component") or _lookup(obj, "reportingComponent"),
    "reportingComponent": lambda obj: _lookup(obj, "reportingComponent") or _lookup(obj, "source.component"),
    "reportingController": lambda obj: _lookup(obj, "reportingComponent"),
    "spec.unschedulable": lambda obj: _lookup(obj, "spec.unschedulable") or "false",
    "spec.hostNetwork": lambda obj: _lookup(obj, "spec.hostNetwork") or "false",
    "status.successful": lambda obj: _lookup(obj, "status.succeeded") or "0",
    "status.replicas": lambda obj: _lookup(obj, "status.replicas") or "0",
    "status.phase": lambda obj: _lookup(obj, "status.phase"),
    **{
        f"regarding.{name}": (lambda path: lambda obj: _lookup(obj, path))(f"involvedObject.{name}")
        for name in ("kind", "name", "namespace", "uid")
    },
}


# Both groups that serve events share their entries, so an entry answers for both.
_EVENT_FIELDS = tuple(
    {*RESOURCES["", "events"].selectable_fields, *RESOURCES["events.k8s.io", "events"].selectable_fields}
)


def fields_of(info: ResourceInfo, entry: Entry) -> dict[str, str]:
    """What field selectors can ask of an entry; worked out once."""
    if entry.fields is None:
        obj = entry.object()
        fields = {"metadata.name": obj["metadata"]["name"]}
        if info.namespaced:
            fields["metadata.namespace"] = obj["metadata"].get("namespace", "")
        for name in _EVENT_FIELDS if info.plural == "events" else info.selectable_fields:
            special = _SPECIAL.get(name)
            fields[name] = special(obj) if special else _lookup(obj, name)
        entry.fields = fields
    return entry.fields


class Selection:
    """The selectors of one request."""

    def __init__(self, info: ResourceInfo, version: str, label_selector: str, field_selector: str) -> None:
        """Raises ApiError (400) where a selector cannot be read or names a field that the version does not offer."""
        self._info = info
        custom = kinds.find(*info.key)
        self._custom = custom.selectable.get(version, ()) if custom is not None else ()
        self._schema = custom.schema(version) if custom is not None else {}
        try:
            self._labels = parse_label_selector(label_selector)
            fields = parse_field_selector(field_selector)
        except SelectorError as error:
            raise errors.bad_request(str(error)) from None
        known = {
            "metadata.name",
            *(("metadata.namespace",) if info.namespaced else ()),
            *info.selectable_fields,
            *self._custom,
        }
        for term in fields.terms:
            if term.field not in known:
                raise errors.bad_request(
                    f'Unable to find "{info.group}/{version}, Resource={info.plural}" that match '
                    f'label selector "{label_selector}", field selector "{field_selector}": '
                    f"field label not supported: {term.field}"
                )
        self._fields: FieldSelector = fields
        self.name = fields.exact("metadata.name")
        self.namespace = fields.exact("metadata.namespace")
        self.everything = self._labels.everything and not self._fields.terms

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is selected."""
        if self.everything:
            return True
        if self._fields.terms and not self._fields.matches(self._fields_of(entry)):
            return False
        return self._labels.everything or self._labels.matches(entry.labels)

    def _fields_of(self, entry: Entry) -> dict[str, str]:
        fields = fields_of(self._info, entry)
        if not self._custom:
            return fields
        # Not kept: each version has fields of its own, and a definition may change while its objects stay.
        obj = entry.object()
        default(obj, self._schema)  # it may have been stored before a default was written
        return fields | selectable.values(obj, self._custom)
