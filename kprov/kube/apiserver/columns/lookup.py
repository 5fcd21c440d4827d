"""Finds the columns of a kind."""

from __future__ import annotations

from kprov.kube.apiserver.columns import cluster, network, pods, storage, workloads
from kprov.kube.apiserver.columns.table import Cells, Columns, Object, age, columns, name


def _any(obj: Object, now: float) -> Cells:
    return [name(obj), age(obj, now)]


_DEFAULT = columns("Name | Age", _any)
_ALL: dict[tuple[str, str], Columns] = {
    **pods.COLUMNS,
    **workloads.COLUMNS,
    **network.COLUMNS,
    **cluster.COLUMNS,
    **storage.COLUMNS,
}


def columns_for(key: tuple[str, str]) -> Columns:
    """The columns of a kind by group and plural; name and age where it has none of its own."""
    return _ALL.get(key, _DEFAULT)
