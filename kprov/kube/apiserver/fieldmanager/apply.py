"""Server-side apply: a PATCH that says all that its manager wants of an object, and nothing else.

Follows upstream's structured-merge-diff: merge, take out what this manager no longer wants and nobody else manages,
find conflicts with other managers in what changed.
"""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.apiserver.fieldmanager.comparing import fields_in
from kprov.kube.apiserver.fieldmanager.field_set import FieldSet, shown
from kprov.kube.apiserver.fieldmanager.managers import (
    APPLY,
    NEVER_MANAGED,
    Managed,
    Manager,
    Managers,
    decode,
    encode,
    now,
    tidy,
)
from kprov.kube.apiserver.fieldmanager.merging import merge, remove
from kprov.kube.apiserver.fieldmanager.shapes import shape_of
from kprov.kube.apiserver.fieldmanager.updates import in_versions, record_update, take_away
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.versions import from_storage, to_storage

Object = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL = "kubectl"
_BEFORE_FIRST_APPLY = "before-first-apply"


class Apply:
    """One apply, to be made to whatever is there.

    Args:
        info: the kind.
        version: the version that the client speaks.
        applied: what it wants, in that version, checked against its type.
        manager: who it is.
        force: take conflicting fields from their managers.
        subresource: what it was sent to.
    """

    def __init__(
        self, info: ResourceInfo, version: str, applied: Object, *, manager: str, force: bool, subresource: str = ""
    ) -> None:
        self._info, self._version, self._force = info, version, force
        self._applied = applied
        self._who = Manager(manager, APPLY, info.api_version(version), subresource)
        self._shape = shape_of(info, version)

    def to_new(self) -> Object:
        """The object that it makes where there is none, in the stored version."""
        copied: Object = orjson.loads(orjson.dumps(self._applied))
        copied["metadata"]["managedFields"] = encode(tidy({self._who: Managed(self._wanted(), now())}))
        return to_storage(self._info, self._version, copied)

    def to(self, live: Object) -> Object:
        """What the present object (in the stored version) becomes, managedFields included.

        Raises ApiError (409) naming every field that somebody else manages and that it would change.
        """
        info, who = self._info, self._who
        managers = decode(live["metadata"].get("managedFields") or []) or self._before_first_apply(live)
        last = managers.get(who)
        wanted = self._wanted()
        managers[who] = Managed(wanted, last.time if last and last.fields == wanted else now())
        shown_live = from_storage(info, self._version, live)
        merged = merge(shown_live, self._applied, self._shape)
        if last is not None:
            merged = self._without_abandoned(merged, last.fields, managers)
        merged = orjson.loads(orjson.dumps({**merged, "metadata": self._metadata(merged, shown_live)}))
        new = to_storage(info, self._version, merged)
        compare = in_versions(info, live, new)
        if not self._force:
            self._refuse_conflicts(managers, compare, shown_live)
        take_away(managers, who, compare)
        new["metadata"]["managedFields"] = encode(tidy(managers))
        return new

    def _wanted(self) -> FieldSet:
        fields = fields_in(self._applied, self._shape)
        # Through the object itself status can't be set, through the status nothing else.
        ignored = "f:spec" if self._who.subresource == "status" else "f:status"
        if ignored == "f:spec" or self._info.has_status:
            fields.members.discard(ignored)
            fields.children.pop(ignored, None)
        return fields - NEVER_MANAGED

    def _before_first_apply(self, live: Object) -> Managers:
        """The fields of an object from before any were recorded have a manager too, or none could conflict."""
        copied = {**live, "metadata": dict(live["metadata"])}
        version = self._info.storage_api_version.rpartition("/")[2]
        record_update(copied, None, self._info, manager=_BEFORE_FIRST_APPLY, version=version)
        return decode(copied["metadata"].get("managedFields") or []) or {}

    def _without_abandoned(self, merged: Object, last: FieldSet, managers: Managers) -> Object:
        """Without what this manager wanted before, and now neither it nor anybody else does."""
        managed = FieldSet()
        for what in managers.values():
            managed = managed | what.fields
        gone = last.with_parents(self._shape) - managed.with_parents(self._shape)
        out: Object = remove(merged, gone, self._shape)
        return out

    def _metadata(self, merged: Object, live: Object) -> Object:
        metadata = dict(merged["metadata"])
        for name in ("resourceVersion", "uid"):  # what the client says of them are preconditions
            if given := self._applied["metadata"].get(name):
                metadata[name] = given
        annotations = metadata.get("annotations") or {}
        if self._who.name == _KUBECTL and LAST_APPLIED in (live["metadata"].get("annotations") or {}):
            # kubectl may go back to applying by itself: what it compares with then is kept in step.
            text = orjson.dumps(self._applied, option=orjson.OPT_SORT_KEYS).decode() + "\n"
            metadata["annotations"] = {**annotations, LAST_APPLIED: text}
        return metadata

    def _refuse_conflicts(self, managers: Managers, compare: Any, live: Object) -> None:
        allowed = self._allowed(live)
        found: list[tuple[str, str]] = []
        for who, what in sorted(managers.items(), key=lambda item: (item[0].name, item[0].operation)):
            if who != self._who:
                both = (what.fields & compare(who.api_version).changed) - allowed
                found += [(who.said(what.time), shown(path)) for path in both.paths()]
        if found:
            raise _conflict(found)

    def _allowed(self, live: Object) -> FieldSet:
        """What kubectl applied by itself before is no conflict with kubectl."""
        text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
        if self._who.name != _KUBECTL or not text:
            return FieldSet()
        try:
            before = orjson.loads(text)
        except orjson.JSONDecodeError:
            return FieldSet()
        allowed = fields_in(before, self._shape)
        allowed.below("f:metadata").below("f:annotations").members.add(f"f:{LAST_APPLIED}")
        return allowed


def _conflict(found: list[tuple[str, str]]) -> errors.ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in found
    ]
    if len(found) == 1:
        text = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        by_manager: dict[str, list[str]] = {}
        for who, path in found:
            by_manager.setdefault(who, []).append(path)
        said = [f"conflicts with {who}:\n" + "\n".join(f"- {p}" for p in paths) for who, paths in by_manager.items()]
        text = f"Apply failed with {len(found)} conflicts: " + "\n".join(said)
    return errors.make(409, "Conflict", text, causes=causes)
