"""What a module may be given: kinds, defaults, choices, other names.

The controller checks roles with it, the agent coerces with it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

KINDS = ("str", "path", "int", "float", "bool", "list", "dict", "mode", "any")

TRUE_WORDS = frozenset({"yes", "on", "true", "1", "y", "t"})
FALSE_WORDS = frozenset({"no", "off", "false", "0", "n", "f"})

# `mode: 644` in YAML is the number 644 (octal 1204), never what was meant.
FORGOTTEN_ZERO = frozenset(
    {400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 664, 666, 700, 711, 750, 755, 770, 775, 777}
)


class Parameter:
    """One parameter of a module.

    Args:
        kind: what its value must be, one of KINDS.
        required: it must be given.
        default: its value when it is not given.
        choices: the only values it may have.
        aliases: other names for it.
        secret: its value is never shown, logged or journalled.
    """

    __slots__ = ("aliases", "choices", "default", "kind", "required", "secret")

    def __init__(
        self,
        kind: str = "str",
        *,
        required: bool = False,
        default: Any = None,
        choices: Sequence[Any] | None = None,
        aliases: Sequence[str] = (),
        secret: bool = False,
    ) -> None:
        self.kind = kind
        self.required = required
        self.default = default
        self.choices = choices
        self.aliases = aliases
        self.secret = secret


Specification = Mapping[str, Parameter]


class WrongArguments(Exception):
    """What a module was given does not fit; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be."""
    found = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    word = str(value).strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError("must be true or false, not %r" % (value,))


def _to_int(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("must be a whole number, not %r" % (value,))
    try:
        return int(str(value).strip())
    except ValueError:
        raise ValueError("must be a whole number, not %r" % (value,)) from None


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("must be a number, not %r" % (value,)) from None


def _to_str(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise ValueError("must be a text, not %s" % type(value).__name__)


def _to_list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (int, float)):
        return [value]
    raise ValueError("must be a list, not %s" % type(value).__name__)


def _to_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError("must be a mapping, not %s" % type(value).__name__)


def _to_mode(value: Any) -> str:
    """Modes are kept as text: octal ("0644") or symbolic ("u=rw,g=r")."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value in FORGOTTEN_ZERO:
            raise ValueError('%d is a decimal number; write "0%d" (in quotes)' % (value, value))
        return "%04o" % value
    text = str(value).strip()
    digits = text[2:] if text.startswith("0o") else text
    if digits.isdigit():
        if set(digits) - set("01234567"):
            raise ValueError("%r is no octal mode" % (value,))
        return "%04o" % int(digits, 8)
    if not text or set(text) - set("ugoarwxXst=+-,"):
        raise ValueError('%r is no mode; write it like "0644" or "u=rw,g=r,o="' % (value,))
    return text


_COERCE: dict[str, Callable[[Any], Any]] = {
    "str": _to_str,
    "path": _to_str,
    "int": _to_int,
    "float": _to_float,
    "bool": _to_bool,
    "list": _to_list,
    "dict": _to_dict,
    "mode": _to_mode,
    "any": lambda value: value,
}


def resolve_names(specification: Specification, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Replace aliases by the parameters' own names.

    Returns:
        The arguments by own name, and what is wrong: unknown names (with the nearest known one) and doubled ones.
    """
    names: dict[str, str] = {}
    for name, parameter in specification.items():
        names[name] = name
        for alias in parameter.aliases:
            names[alias] = name
    arguments: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in given.items():
        if key.startswith("_"):  # the engine's own, such as a content's hash
            arguments[key] = value
            continue
        own = names.get(key)
        if own is None:
            near = nearest(key, names)
            hint = "; did you mean '%s'?" % near if near else "; it takes %s" % ", ".join(sorted(specification))
            problems.append("has no parameter '%s'%s" % (key, hint))
        elif own in arguments:
            problems.append("is given '%s' twice (as '%s')" % (own, key))
        else:
            arguments[own] = value
    return arguments, problems


def coerce(
    specification: Specification,
    given: Mapping[str, Any],
    *,
    open_value: Callable[[Any], bool] | None = None,
) -> dict[str, Any]:
    """Check arguments and give every parameter its value.

    Args:
        specification: the module's parameters.
        given: the arguments as written.
        open_value: says that a value is not known yet (a template): it is not checked.

    Returns:
        Every parameter by name, with defaults where nothing was given.

    Raises:
        WrongArguments: with everything that is wrong.
    """
    arguments, problems = resolve_names(specification, given)
    for name, parameter in specification.items():
        value = arguments.get(name)
        if value is None:
            if parameter.required:
                problems.append("needs '%s'" % name)
            arguments[name] = parameter.default
            continue
        if open_value is not None and open_value(value):
            continue
        try:
            value = _COERCE[parameter.kind](value)
        except ValueError as error:
            problems.append("'%s' %s" % (name, error))
            continue
        if parameter.choices is not None and value not in parameter.choices:
            near = nearest(str(value), [str(choice) for choice in parameter.choices])
            hint = "; did you mean '%s'?" % near if near else ""
            problems.append(
                "'%s' must be one of %s, not %r%s" % (name, ", ".join(str(c) for c in parameter.choices), value, hint)
            )
            continue
        arguments[name] = value
    if problems:
        raise WrongArguments(problems)
    return arguments
