"""Paths, as texts."""

from __future__ import annotations

import glob
import ntpath
import os.path
from collections.abc import Callable
from typing import Any


def _join(value: Any) -> str:
    return os.path.join(*value) if isinstance(value, (list, tuple)) else str(value)  # noqa: PTH118


FILTERS: dict[str, Callable[..., Any]] = {
    "basename": lambda value: os.path.basename(str(value)),  # noqa: PTH119 - texts, not files
    "commonpath": os.path.commonpath,
    "dirname": lambda value: os.path.dirname(str(value)),  # noqa: PTH120
    "expanduser": lambda value: os.path.expanduser(str(value)),  # noqa: PTH111
    "expandvars": lambda value: os.path.expandvars(str(value)),
    "fileglob": lambda value: sorted(path for path in glob.glob(str(value)) if os.path.isfile(path)),  # noqa: PTH113, PTH207
    "normpath": lambda value: os.path.normpath(str(value)),
    "path_join": _join,
    "realpath": lambda value: os.path.realpath(str(value)),
    "relpath": lambda value, start=".": os.path.relpath(str(value), start),
    "splitext": lambda value: list(os.path.splitext(str(value))),  # noqa: PTH122
    "win_basename": lambda value: ntpath.basename(str(value)),
    "win_dirname": lambda value: ntpath.dirname(str(value)),
}
