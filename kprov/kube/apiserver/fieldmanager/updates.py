"""Keeps managedFields in step with creates, updates and patches: whoever changed a field manages it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from kprov.kube.apiserver.fieldmanager.comparing import Difference, added_on_wire, difference
from kprov.kube.apiserver.fieldmanager.field_set import FieldSet
from kprov.kube.apiserver.fieldmanager.managers import (
    NEVER_MANAGED,
    UPDATE,
    Managed,
    Manager,
    Managers,
    decode,
    encode,
    now,
    row_of,
    tidy,
)
from kprov.kube.apiserver.fieldmanager.shapes import shape_of
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.request_options import options_kind, wrong_option
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.strategy.base import invalid, too_long
from kprov.kube.apiserver.versions import from_storage

Object = dict[str, Any]
MAXIMUM_MANAGER_LENGTH = 128


def checked_manager(name: str, method: str) -> str:
    """The name that a client gives its changes. Raises ApiError (422) where it is no name to be kept."""
    problem = None
    if len(name) > MAXIMUM_MANAGER_LENGTH:
        problem = too_long("fieldManager", MAXIMUM_MANAGER_LENGTH)
    elif not name.isprintable():
        problem = invalid("fieldManager", name, "should only contain printable characters")
    if problem is not None:
        raise wrong_option(options_kind(method), problem)
    return name


def manager_of(request: Request) -> str:
    """Who a request's changes belong to: its fieldManager, or the first word of its user agent, as upstream."""
    if named := str(request.query.get("fieldManager", "")):
        return checked_manager(named, request.method)
    agent = request.headers.get("User-Agent", "").partition("/")[0]
    return "".join(letter for letter in agent if letter.isprintable())[:MAXIMUM_MANAGER_LENGTH]


def in_versions(info: ResourceInfo, old: Object, new: Object) -> Callable[[str], Difference]:
    """In which fields two stored objects differ, in any of their kind's versions ("apps/v1")."""

    @cache
    def compare(api_version: str) -> Difference:
        version = api_version.rpartition("/")[2]
        if version not in info.versions:
            version = info.storage_api_version.rpartition("/")[2]
        shape = shape_of(info, version)
        return difference(from_storage(info, version, old), from_storage(info, version, new), shape)

    return compare


def managers_of(obj: Object, old: Object | None) -> Managers:
    """The managers that an update starts from: those that the client sent along, or else the object's own."""
    given = obj["metadata"].get("managedFields")
    if given == [{}]:  # how a client says that it wants to start anew
        return {}
    found = decode(given) if given else None
    if found is None and old is not None:
        found = decode(old["metadata"].get("managedFields") or [])
    return found or {}


def take_away(managers: Managers, taker: Manager, compare: Callable[[str], Difference]) -> None:
    """What was changed or went is no longer its former managers'."""
    for who, what in managers.items():
        if who != taker:
            changed, removed = compare(who.api_version)
            what.keep((what.fields - changed).without(removed))


def record_update(
    obj: Object, old: Object | None, info: ResourceInfo, *, manager: str, version: str, subresource: str = ""
) -> None:
    """Write into ``obj`` who manages its fields after an update of ``old`` (None: after its creation).

    Args:
        obj: the new object, in the stored version, defaults filled in.
        old: the present one.
        info: their kind.
        manager: whose change it is.
        version: the version that the client spoke.
        subresource: what it was sent to.
    """
    metadata = obj["metadata"]
    managers = managers_of(obj, old)
    if old is None and not managers:
        _record_creation(obj, info, manager or "unknown", version, subresource)
        return
    compare = in_versions(info, old or {"metadata": {}}, obj)
    taker = Manager(manager or "unknown", UPDATE, info.api_version(version), subresource)
    changed, removed = compare(taker.api_version)
    changed = changed - NEVER_MANAGED
    if changed or removed:
        take_away(managers, taker, compare)
        before = managers.get(taker)
        mine = (before.fields.without(removed) if before else FieldSet()) | changed
        if before is None or before.fields != mine:
            managers[taker] = Managed(mine, now())
    if entries := encode(tidy(managers)):
        metadata["managedFields"] = entries
    else:
        metadata.pop("managedFields", None)


def _record_creation(obj: Object, info: ResourceInfo, manager: str, version: str, subresource: str) -> None:
    metadata = obj["metadata"]
    metadata.pop("managedFields", None)
    shown = from_storage(info, version, obj)
    fields = added_on_wire(shown, shape_of(info, version), NEVER_MANAGED)
    if fields:
        maker = Manager(manager, UPDATE, info.api_version(version), subresource)
        metadata["managedFields"] = [row_of(maker, now(), fields)]
