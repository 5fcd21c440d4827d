"""How the controller writes files: who reads one finds the old or the new, whole, with its mode from the first byte."""

from kprov.provision.atomic.files import PRIVATE, replacing, sync_folder, write

__all__ = ["PRIVATE", "replacing", "sync_folder", "write"]
