"""Where kprov's own roles and templates are: beside the package in a checkout, inside of it when installed."""

from __future__ import annotations

from pathlib import Path

import kprov

_PACKAGE = Path(kprov.__file__).resolve().parent


def _folder(name: str) -> Path:
    packaged = _PACKAGE / "data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def roles_folder() -> Path:
    """The folder of the roles."""
    return _folder("roles")


def templates_folder() -> Path:
    """The folder of the templates."""
    return _folder("templates")
