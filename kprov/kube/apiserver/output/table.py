"""Tables: what ``kubectl get`` prints."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]

_NAME_HELP = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated."
)
_CREATED_HELP = "The time at which the object was created."


class Columns(Protocol):
    """The printer columns of a kind."""

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The columns."""

    def cells(self, obj: Object) -> list[Any]:
        """One row."""


class _NameAndAge:
    """What any kind has."""

    definitions = [
        {"name": "Name", "type": "string", "format": "name", "description": _NAME_HELP, "priority": 0},
        {"name": "Created At", "type": "date", "format": "", "description": _CREATED_HELP, "priority": 0},
    ]

    def cells(self, obj: Object) -> list[Any]:
        return [obj["metadata"].get("name", ""), obj["metadata"].get("creationTimestamp")]


def _columns(info: ResourceInfo, version: str) -> Columns:
    custom = kinds.find(*info.key)
    if custom is not None and version in custom.columns:
        return custom.columns[version]
    try:
        found: Columns | None = import_module("kprov.kube.apiserver.columns").columns_of(info.group, info.plural)
    except (ModuleNotFoundError, AttributeError):
        found = None
    return found or _NameAndAge()


class TableMaker:
    """Makes the tables of one request: of one kind, with the object asked for in each row."""

    def __init__(self, info: ResourceInfo, shown: str, version: str, include: str) -> None:
        """``shown`` is the version of the objects, ``version`` the Table's own; ``include`` is the query's
        includeObject: None, Metadata (the default) or Object."""
        self._columns = _columns(info, shown)
        self._version = version
        self._include = include or "Metadata"
        self._headers_sent = False

    def row(self, obj: Object) -> Object:
        """An object's row."""
        row: Object = {"cells": self._columns.cells(obj)}
        if self._include == "Object":
            row["object"] = obj
        elif self._include == "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": f"meta.k8s.io/{self._version}",
                "metadata": obj["metadata"],
            }
        return row

    def table(self, objects: list[Object], metadata: Object, *, headers: bool = True) -> Object:
        """The Table of some objects."""
        return {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{self._version}",
            "metadata": metadata,
            "columnDefinitions": self._columns.definitions if headers else [],
            "rows": [self.row(obj) for obj in objects],
        }

    def event_object(self, obj: Object) -> Object:
        """The Table inside a watch event: only the first one carries the columns."""
        table = self.table(
            [obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")}, headers=not self._headers_sent
        )
        self._headers_sent = True
        return table
