"""The bundle that a run installs from, built when it is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kprov.provision.bundle import Bundle
    from kprov.provision.inventory import Inventory


def complete_bundle(inventory: Inventory, tell: Callable[[str], None]) -> Bundle:
    """The bundle, complete.

    Arguments: ``tell`` takes a line for the person who waits, since gathering may take minutes the first time.

    Raises: BundleError when something can't be had.
    """
    from kprov.provision.bundle.build import build

    return build(inventory.cluster.bundle_directory, say=tell)
