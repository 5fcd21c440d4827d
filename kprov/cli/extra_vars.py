"""Reads ``--extra-vars`` as Ansible does: ``key=value``, a JSON or YAML mapping, or ``@file``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml


class ExtraVarsError(ValueError):
    """An ``--extra-vars`` that can't be read; the message names it."""


def parse(given: Iterable[str] | None) -> dict[str, Any]:
    """Merge every ``--extra-vars``, later ones stronger. Raises ExtraVarsError.

    The values of ``key=value`` are read as YAML, so that ``max_pods=50`` is a number; Ansible takes them as text, but
    kprov's settings have types.
    """
    merged: dict[str, Any] = {}
    for text in given or ():
        merged.update(_parse_one(text))
    return merged


def _parse_one(text: str) -> dict[str, Any]:
    stripped = text.strip()
    if stripped.startswith("@"):
        path = Path(stripped[1:]).expanduser()
        try:
            return _mapping(path.read_text(), f"--extra-vars {stripped}")
        except (OSError, UnicodeDecodeError) as error:
            raise ExtraVarsError(f"--extra-vars {stripped}: {getattr(error, 'strerror', None) or error}") from None
    if stripped.startswith("{"):
        return _mapping(stripped, "--extra-vars")
    found: dict[str, Any] = {}
    try:
        words = shlex.split(stripped)
    except ValueError as error:
        raise ExtraVarsError(f"--extra-vars {text!r}: {error}") from None
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ExtraVarsError(f"--extra-vars {text!r}: {word!r} is not of the form key=value")
        try:
            found[key] = yaml.safe_load(value) if value else ""
        except yaml.YAMLError:
            found[key] = value
    return found


def _mapping(text: str, what: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ExtraVarsError(f"{what}: not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ExtraVarsError(f"{what}: must be a mapping from names to values")
    return content
