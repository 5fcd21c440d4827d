"""Printer columns: what ``kubectl get`` shows of each kind, made by the server as a Table."""

from kprov.kube.apiserver.columns.lookup import columns_of
from kprov.kube.apiserver.columns.table import Columns

__all__ = ["Columns", "columns_of"]
