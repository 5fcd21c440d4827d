"""Finds the columns of a kind."""

from __future__ import annotations

from kprov.kube.apiserver.columns import cluster, network, pods, storage, workloads
from kprov.kube.apiserver.columns.table import Columns

_ALL: dict[tuple[str, str], Columns] = {
    **pods.COLUMNS,
    **workloads.COLUMNS,
    **network.COLUMNS,
    **cluster.COLUMNS,
    **storage.COLUMNS,
}


def columns_of(group: str, plural: str) -> Columns | None:
    """The columns of a kind; None where it has none of its own."""
    return _ALL.get(("networking.k8s.io" if group == "extensions" else group, plural))
