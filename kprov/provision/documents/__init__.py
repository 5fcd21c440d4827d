"""Reads what users write: whole files of a bounded size, as text, and YAML that can't fill the memory."""

from kprov.provision.documents.reading import Unreadable, decode, exists, is_file, is_folder, read
from kprov.provision.documents.yaml_nodes import Constructor, Unsafe, compose, construct

__all__ = [
    "Constructor",
    "Unreadable",
    "Unsafe",
    "compose",
    "construct",
    "decode",
    "exists",
    "is_file",
    "is_folder",
    "read",
]
