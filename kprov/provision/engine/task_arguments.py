"""A task's module and its arguments, in every form in which Ansible takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kprov.provision.engine import argument_strings
from kprov.provision.engine.documents import Lines, plain
from kprov.provision.engine.module_names import free_form, own_name, wrong_arguments

_COMMANDS = frozenset({"command", "shell", "raw", "script"})


@dataclass(frozen=True)
class Named:
    """The module that a task names."""

    key: str
    """As written."""
    value: Any
    line: int
    local: bool = False
    """It was written as `local_action`."""


class WrongForm(Exception):
    """The arguments cannot be read; `suggestion` says how they are written."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def from_action(entry: Lines, key: str) -> Named:
    """`action: copy src=a dest=b`, `local_action: {module: copy, ...}`.

    Raises:
        WrongForm: it names no module.
    """
    value, line = entry[key], entry.key_lines[key]
    local = key == "local_action"
    if isinstance(value, dict) and isinstance(value.get("module"), str):
        return Named(value["module"], {name: item for name, item in value.items() if name != "module"}, line, local)
    if isinstance(value, str) and value.strip():
        name, _, rest = value.strip().partition(" ")
        return Named(name, rest.strip() or None, line, local)
    raise WrongForm(f"{key} names no module", f"write '{key}: MODULE parameter=value'")


def arguments_of(named: Named, extra: Any) -> tuple[dict[str, Any], list[str]]:
    """A task's arguments.

    Args:
        named: the module and what was written behind it.
        extra: the task's `args`.

    Returns:
        The arguments, and what is wrong with them (each goes on from the module's name).

    Raises:
        WrongForm: they cannot be read at all.
    """
    module = own_name(named.key)
    if extra is not None and not isinstance(extra, dict):
        raise WrongForm("'args' must be a mapping of parameters")
    given = _given(named, module)
    arguments: dict[str, Any] = {**plain(extra or {}), **given}
    return arguments, wrong_arguments(module, arguments) if module is not None else []


def _given(named: Named, module: str | None) -> dict[str, Any]:
    value = named.value
    if value is None:
        return {}
    if isinstance(value, dict):
        return dict(plain(value))
    form = free_form(module) if module is not None else None
    if not isinstance(value, str):
        if form is not None and not isinstance(value, list):
            return {form: str(value)}
        raise WrongForm(
            f"{named.key} takes a mapping of parameters, not '{value}'", "write one 'parameter: value' a line below it"
        )
    try:
        if module in _COMMANDS and form is not None:
            words, found = argument_strings.command(value)
            return {**found, **({form: words} if words else {})}
        found, rest = argument_strings.pairs(value)
    except ValueError as error:
        raise WrongForm(str(error)) from None
    if module == "meta" or (form is not None and rest and not found):
        return {str(form): value.strip()}
    if rest and form is not None and len(rest) == 1:
        return {**found, form: rest[0]}
    if rest and module is not None:
        raise WrongForm(
            f"{named.key} takes a mapping of parameters, not '{value}'", "write one 'parameter: value' a line below it"
        )
    return dict(found)
