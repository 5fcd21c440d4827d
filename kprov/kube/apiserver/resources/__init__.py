"""The kinds that the API server serves, as data: a row a kind."""

from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.resources.table import GROUPS, RESOURCES, find, find_kind

__all__ = ["GROUPS", "RESOURCES", "ResourceInfo", "find", "find_kind"]
