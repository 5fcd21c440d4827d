"""metadata.managedFields: who manages what, since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from kprov.kube.apiserver.fieldmanager.field_set import FieldSet, known

APPLY, UPDATE = "Apply", "Update"
_MOST_UPDATE_MANAGERS = 10
_ANCIENT = "ancient-changes"


@dataclass(frozen=True, slots=True)
class Manager:
    """Whom fields belong to: a name, how it writes, in which version, through which subresource."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def said(self, time: str) -> str:
        """How an error names it."""
        if self.operation == APPLY:
            return f'"{self.name}"'
        through = f' with subresource "{self.subresource}"' if self.subresource else ""
        return f'"{self.name}"{through} using {self.api_version}' + (f" at {time}" if time else "")


@dataclass(slots=True)
class Managed:
    """A manager's fields, and when they last changed (RFC 3339)."""

    fields: FieldSet
    time: str = ""
    wire: dict[str, Any] | None = None  # the fields as they were read, as long as they are the same

    def keep(self, fields: FieldSet) -> None:
        """Manage these fields from now on, as of the same time."""
        if fields is not self.fields:
            self.fields, self.wire = fields, None


Managers = dict[Manager, Managed]


def _never_managed() -> FieldSet:
    """What only the server decides, or what names the object: it belongs to nobody."""
    found = FieldSet()
    found.members = {"f:apiVersion", "f:kind", "f:metadata"}
    found.below("f:metadata").members = {
        f"f:{name}"
        for name in (
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    }
    return found


NEVER_MANAGED = _never_managed()


def decode(entries: Any) -> Managers | None:
    """The managers that managedFields name; None where they are no managedFields."""
    found: Managers = {}
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        return None
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("operation") not in (APPLY, UPDATE):
            return None
        if entry.get("fieldsType") != "FieldsV1" or not isinstance(entry.get("fieldsV1") or {}, dict):
            return None
        who = Manager(
            str(entry.get("manager") or "unknown"),
            entry["operation"],
            str(entry.get("apiVersion") or ""),
            str(entry.get("subresource") or ""),
        )
        try:
            wire = entry.get("fieldsV1") or {}
            fields, same = known(orjson.dumps(wire))
        except ValueError:
            return None
        if who in found:
            fields, same = fields | found[who].fields, False
        found[who] = Managed(fields, str(entry.get("time") or ""), wire if same else None)
    return found


def encode(managers: Managers) -> list[dict[str, Any]]:
    """managedFields: applies first, then by time."""
    rows = []
    order = sorted(
        managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0].name, item[0].api_version)
    )
    for who, what in order:
        rows.append(row_of(who, what.time, what.wire or what.fields.to_wire()))
    return rows


def row_of(who: Manager, time: str, fields: dict[str, Any]) -> dict[str, Any]:
    """One entry of managedFields."""
    row: dict[str, Any] = {"manager": who.name, "operation": who.operation, "apiVersion": who.api_version}
    if time:
        row["time"] = time
    row |= {"fieldsType": "FieldsV1", "fieldsV1": fields}
    if who.subresource:
        row["subresource"] = who.subresource
    return row


def tidy(managers: Managers) -> Managers:
    """Without managers of nothing, and with the oldest updates of many managers under one name."""
    kept = {}
    for who, what in managers.items():
        what.keep(what.fields - NEVER_MANAGED)
        if what.fields:
            kept[who] = what
    updates = sorted((who for who in kept if who.operation == UPDATE), key=lambda who: (kept[who].time, who.name))
    while len(updates) > _MOST_UPDATE_MANAGERS:
        oldest = updates.pop(0)
        what = kept.pop(oldest)
        ancient = Manager(_ANCIENT, UPDATE, oldest.api_version)
        before = kept.get(ancient)
        kept[ancient] = Managed(before.fields | what.fields if before else what.fields, what.time)
        updates = [who for who in updates if who != ancient] if before is None else updates
    return kept


def now() -> str:
    """The time as managedFields have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
