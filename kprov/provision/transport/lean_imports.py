"""Imports paramiko and Fabric without what they import for purposes that kprov does not have: half of their cost.

paramiko imports invoke for one thing, `Match exec` in ssh_config, and importlib.metadata, with all that reads archives
and mail, for another, its own version; invoke imports Python's library for tests for its MockContext, and has a YAML of
its own. Every run would pay for them before its first connection.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

_importing = threading.RLock()


@contextmanager
def _in_place_of(name: str, stand_in: ModuleType | None) -> Iterator[None]:
    """What `import name` finds until the end of the block, unless it is there already. None: nothing."""
    modules: dict[str, Any] = sys.modules
    if name in modules:
        yield
        return
    modules[name] = stand_in
    try:
        yield
    finally:
        if modules.get(name) is stand_in:
            del modules[name]


def import_paramiko() -> Any:
    """paramiko, whose SSHConfig refuses `Match exec` until `allow_match_exec`."""
    with _importing:
        if "paramiko" not in sys.modules:
            with _in_place_of("invoke", None), _version_by_its_folder("paramiko"):
                return importlib.import_module("paramiko")
        return importlib.import_module("paramiko")


def allow_match_exec() -> None:
    """Let paramiko run the programs that a `Match exec` of ssh_config names."""
    paramiko = import_paramiko()
    with _importing, _without_mocks():
        paramiko.config.invoke = importlib.import_module("invoke")


def import_fabric() -> Any:
    """Fabric, on top of paramiko."""
    import_paramiko()
    with _importing:
        if "fabric" not in sys.modules:
            with _without_mocks(), _in_place_of("invoke.vendor.yaml", yaml):
                return importlib.import_module("fabric")
        return importlib.import_module("fabric")


@contextmanager
def _version_by_its_folder(name: str) -> Iterator[None]:
    """What a distribution is told of its version: what the folder beside it is called."""
    spec = importlib.util.find_spec(name)
    beside = Path(spec.origin).parents[1] if spec and spec.origin else Path()
    versions = [found.stem.rpartition("-")[2] for found in beside.glob(f"{name}-*.dist-info")]
    if len(versions) != 1 or "importlib.metadata" in sys.modules:
        yield
        return
    metadata = ModuleType("importlib.metadata")
    metadata.version = lambda _: versions[0]  # type: ignore[attr-defined]
    with _in_place_of("importlib.metadata", metadata):
        yield


@contextmanager
def _without_mocks() -> Iterator[None]:
    mocks = ModuleType("unittest.mock")
    mocks.Mock = None  # type: ignore[attr-defined]
    with _in_place_of("unittest.mock", mocks):
        yield
