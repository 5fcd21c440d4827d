"""The nodes as arrays: a row a node, so that a question about all nodes is one operation on a vector.

Rows of nodes that are gone are used again. Labels are encoded lazily: a label that no pod ever asks about costs
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kprov.kube.api.kinds import Object
from kprov.kube.api.selectors import Requirement
from kprov.kube.scheduler.pod_info import node_amounts

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Ids = NDArray[np.int32]

CPU, MEMORY, PODS = 0, 1, 2
_FIRST_ROWS = 64


class LabelColumn:
    """The values of one label on all rows, as numbers; -1 where a node does not carry it."""

    def __init__(self, rows: int) -> None:
        self.ids: Ids = np.full(rows, -1, np.int32)
        self.values: dict[str, int] = {}

    def set(self, row: int, value: str | None) -> None:
        """Set a row's value."""
        self.ids[row] = -1 if value is None else self.values.setdefault(value, len(self.values))


class NodeTable:
    """Every node's properties and what is taken of it.

    ``version`` grows whenever a node's own properties change: what was computed from them alone holds until then.
    """

    def __init__(self) -> None:
        self.size = 0
        self.version = 0
        self.row_of: dict[str, int] = {}
        self.names: list[str] = []
        self.nodes: list[Object | None] = []
        self.columns: dict[str, int] = {"cpu": CPU, "memory": MEMORY, "pods": PODS}
        self._capacity = _FIRST_ROWS
        self._free: list[int] = []
        self._labels: dict[str, LabelColumn] = {}
        self._valid: Mask = np.zeros(_FIRST_ROWS, np.bool_)
        self._unschedulable: Mask = np.zeros(_FIRST_ROWS, np.bool_)
        self._allocatable: Counts = np.zeros((3, _FIRST_ROWS), np.int64)
        self._requested: Counts = np.zeros((3, _FIRST_ROWS), np.int64)
        self._nonzero: Counts = np.zeros((2, _FIRST_ROWS), np.int64)
        self.taints: list[tuple[Mapping[str, Any], ...]] = []
        self.images: dict[str, dict[int, int]] = {}

    # -- views ----------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many nodes there are."""
        return len(self.row_of)

    @property
    def valid(self) -> Mask:
        """Which rows are nodes."""
        return self._valid[: self.size]

    @property
    def unschedulable(self) -> Mask:
        """Which nodes are cordoned."""
        return self._unschedulable[: self.size]

    def allocatable(self, column: int) -> Counts:
        """What each node has to give of a resource."""
        return self._allocatable[column, : self.size]

    def requested(self, column: int) -> Counts:
        """What each node's pods ask for of a resource."""
        return self._requested[column, : self.size]

    def nonzero(self, column: int) -> Counts:
        """As :meth:`requested` for CPU and MEMORY, where a container without a request counts as a small one."""
        return self._nonzero[column, : self.size]

    def labels_of(self, row: int) -> Mapping[str, str]:
        """The labels of a row's node."""
        node = self.nodes[row]
        return (node["metadata"].get("labels") or {}) if node else {}

    def label(self, key: str) -> LabelColumn:
        """The encoded values of a label; encoded at the first question."""
        column = self._labels.get(key)
        if column is None:
            column = self._labels[key] = LabelColumn(self._capacity)
            for row in self.row_of.values():
                column.set(row, self.labels_of(row).get(key))
        return column

    def label_ids(self, key: str) -> Ids:
        """The value of a label on each row, as a number; -1 where it is absent."""
        return self.label(key).ids[: self.size]

    def meets(self, requirement: Requirement) -> Mask:
        """Which nodes' labels meet a requirement."""
        column = self.label(requirement.key)
        ids = column.ids[: self.size]
        if requirement.operator == "In":
            wanted = [column.values[value] for value in requirement.values if value in column.values]
            return np.isin(ids, np.array(wanted, np.int32))
        absent = requirement.matches({})
        table = np.array(
            [requirement.matches({requirement.key: value}) for value in column.values] + [absent], np.bool_
        )
        return table[ids]  # -1 reads the last entry

    # -- changes --------------------------------------------------------------------------------------------------

    def column(self, resource: str) -> int:
        """The column of a resource; a new one where it was never heard of."""
        found = self.columns.get(resource)
        if found is None:
            found = self.columns[resource] = len(self.columns)
            blank = np.zeros((1, self._capacity), np.int64)
            self._allocatable = np.concatenate((self._allocatable, blank))
            self._requested = np.concatenate((self._requested, blank))
        return found

    def put(self, node: Object) -> int:
        """Add a node or take over its new state. Returns its row."""
        name = node["metadata"]["name"]
        row = self.row_of.get(name)
        if row is None:
            row = self._free.pop() if self._free else self._append()
            self.row_of[name] = row
            self.names[row] = name
        old = self.nodes[row]
        self.nodes[row] = node
        self._valid[row] = True
        spec = node.get("spec") or {}
        self._unschedulable[row] = bool(spec.get("unschedulable"))
        amounts = node_amounts(node)
        for resource in amounts:
            self.column(resource)
        for resource, column in self.columns.items():
            self._allocatable[column, row] = amounts.get(resource, 0)
        labels = node["metadata"].get("labels") or {}
        for key, encoded in self._labels.items():
            encoded.set(row, labels.get(key))
        self.taints[row] = tuple(spec.get("taints") or ())
        self._put_images(row, old, node)
        self.version += 1
        return row

    def remove(self, name: str) -> None:
        """Forget a node; what its pods asked for must have been given back."""
        row = self.row_of.pop(name, None)
        if row is None:
            return
        self._put_images(row, self.nodes[row], None)
        self.names[row], self.nodes[row], self.taints[row] = "", None, ()
        self._valid[row] = False
        self._allocatable[:, row] = 0
        for encoded in self._labels.values():
            encoded.set(row, None)
        self._free.append(row)
        self.version += 1

    def take(self, row: int, requests: Mapping[str, int], cpu: int, memory: int, sign: int = 1) -> None:
        """Count a pod's requests on a row; `sign` -1 gives them back."""
        requested = self._requested
        for resource, number in requests.items():
            column = self.columns.get(resource)
            if column is None:
                column = self.column(resource)
                requested = self._requested
            requested[column, row] += sign * number
        requested[PODS, row] += sign
        self._nonzero[CPU, row] += sign * cpu
        self._nonzero[MEMORY, row] += sign * memory

    def _append(self) -> int:
        if self.size == self._capacity:
            self._grow()
        self.size += 1
        self.names.append("")
        self.nodes.append(None)
        self.taints.append(())
        return self.size - 1

    @property
    def capacity(self) -> int:
        """How many rows the arrays have room for."""
        return self._capacity

    def _grow(self) -> None:
        more = self._capacity
        self._capacity += more
        self._valid = np.concatenate((self._valid, np.zeros(more, np.bool_)))
        self._unschedulable = np.concatenate((self._unschedulable, np.zeros(more, np.bool_)))
        wide = np.zeros((len(self.columns), more), np.int64)
        self._allocatable = np.concatenate((self._allocatable, wide), axis=1)
        self._requested = np.concatenate((self._requested, wide), axis=1)
        self._nonzero = np.concatenate((self._nonzero, wide[:2]), axis=1)
        for encoded in self._labels.values():
            encoded.ids = np.concatenate((encoded.ids, np.full(more, -1, np.int32)))

    def _put_images(self, row: int, old: Object | None, new: Object | None) -> None:
        before, after = _images(old), _images(new)
        if before == after:
            return
        for name in before:
            rows = self.images.get(name)
            if rows is not None:
                rows.pop(row, None)
                if not rows:
                    del self.images[name]
        for name, size in after.items():
            self.images.setdefault(name, {})[row] = size


def _images(node: Object | None) -> dict[str, int]:
    listed = ((node or {}).get("status") or {}).get("images") or ()
    return {name: int(image.get("sizeBytes") or 0) for image in listed for name in image.get("names") or ()}


_STATUS_KEPT = ("allocatable", "capacity", "images")


def slim(node: Object) -> Object:
    """A node without what scheduling never reads."""
    metadata, status = node["metadata"], node.get("status") or {}
    metadata.pop("annotations", None)
    return {
        "apiVersion": node.get("apiVersion", "v1"),
        "kind": node.get("kind", "Node"),
        "metadata": metadata,
        "spec": {name: part for name, part in (node.get("spec") or {}).items() if name in ("taints", "unschedulable")},
        "status": {name: status[name] for name in _STATUS_KEPT if name in status},
    }
