"""Hosts, groups, variables and their precedence: read from YAML in Ansible's shape, typed and validated."""

from kprov.provision.inventory.load import load
from kprov.provision.inventory.model import Explanation, Host, Inventory, Layer
from kprov.provision.inventory.problems import InventoryErrors, Location, Problem
from kprov.provision.inventory.settings import ClusterSettings

__all__ = [
    "ClusterSettings",
    "Explanation",
    "Host",
    "Inventory",
    "InventoryErrors",
    "Layer",
    "Location",
    "Problem",
    "load",
]
