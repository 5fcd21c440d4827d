"""Reads ``--extra-vars`` as Ansible does: ``key=value``, a JSON or YAML mapping, or ``@file``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kprov.provision.vault import Vault


class ExtraVarsError(ValueError):
    """An ``--extra-vars`` that can't be read; the message names it."""


def parse(given: Iterable[str] | None, vault: Vault | None = None) -> dict[str, Any]:
    """Merge every ``--extra-vars``, later ones stronger. Raises ExtraVarsError or VaultError.

    The values of ``key=value`` are read as YAML, so that ``max_pods=50`` is a number; Ansible takes them as text, but
    kprov's settings have types.
    """
    merged: dict[str, Any] = {}
    for text in given or ():
        merged.update(_parse_one(text, vault))
    return merged


def _parse_one(text: str, vault: Vault | None) -> dict[str, Any]:
    stripped = text.strip()
    if stripped.startswith("@"):
        return _file(stripped, vault)
    if stripped.startswith("{"):
        return _mapping(stripped, "--extra-vars", vault)
    found: dict[str, Any] = {}
    try:
        words = shlex.split(stripped)
    except ValueError as error:
        raise ExtraVarsError(f"--extra-vars {text!r}: {error}") from None
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ExtraVarsError(f"--extra-vars {text!r}: {word!r} is not of the form key=value")
        found[key] = _value(value) if value else ""
    return found


def _value(text: str) -> Any:
    """A value as YAML has it; what is no YAML is text."""
    from kprov.provision.documents import Unreadable, compose, construct

    try:
        node = compose(text)
        return None if node is None else construct(node)
    except Unreadable:
        return text


def _file(name: str, vault: Vault | None) -> dict[str, Any]:
    """The variables of ``@file``, which may be encrypted as a whole."""
    from kprov.provision.documents import Unreadable, decode, read

    what = f"--extra-vars {name}"
    try:
        data = read(Path(name[1:]).expanduser())
        sealed = vault is not None and vault.is_encrypted(data)
        text = decode(vault.decrypt(data, what) if vault is not None and sealed else data)
    except (Unreadable, RuntimeError) as error:
        raise ExtraVarsError(f"{what}: {error}") from None
    found = _mapping(text, what, vault)
    if sealed and vault is not None:
        vault.reveal_all(found)
    return found


def _mapping(text: str, what: str, vault: Vault | None = None) -> dict[str, Any]:
    from kprov.provision.documents import Unreadable, compose, construct

    try:
        node = compose(text)
        content = None if node is None else construct(node, vault.open_value if vault else None)
    except Unreadable as error:
        line = f":{error.line}" if error.line else ""
        raise ExtraVarsError(f"{what}{line}: {error.reason}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ExtraVarsError(f"{what}: must be a mapping from names to values")
    return content
