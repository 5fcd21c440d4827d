"""Imports paramiko and Fabric without what they import for purposes that kprov does not have: half of their cost.

paramiko imports invoke for one thing, `Match exec` in ssh_config; invoke imports Python's library for tests for
another, its MockContext. Every run would pay for both before its first connection.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

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
            with _in_place_of("invoke", None):
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
            with _without_mocks():
                return importlib.import_module("fabric")
        return importlib.import_module("fabric")


@contextmanager
def _without_mocks() -> Iterator[None]:
    mocks = ModuleType("unittest.mock")
    mocks.Mock = None  # type: ignore[attr-defined]
    with _in_place_of("unittest.mock", mocks):
        yield
