"""What a module may be given: kinds, defaults, choices, other names.

The controller checks roles with it, the agent coerces with it.
"""

from __future__ import annotations

import difflib
import json
import os
import shlex
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
        elements: what each entry of a list must be, one of KINDS.
        nullable: null is a value of its own, and not as if it were left out.
    """

    __slots__ = ("aliases", "choices", "default", "elements", "kind", "nullable", "required", "secret")

    def __init__(
        self,
        kind: str = "str",
        *,
        required: bool = False,
        default: Any = None,
        choices: Sequence[Any] | None = None,
        aliases: Sequence[str] = (),
        secret: bool = False,
        elements: str | None = None,
        nullable: bool = False,
    ) -> None:
        self.kind = kind
        self.required = required
        self.default = default
        self.choices = choices
        self.aliases = aliases
        self.secret = secret
        self.elements = elements
        self.nullable = nullable


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
    """A mapping, also written as JSON or as `a=1 b=2` (as Ansible takes it)."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            found = json.loads(value)
        except ValueError as error:
            raise ValueError("must be a mapping, and is no JSON: %s" % error) from None
        if isinstance(found, dict):
            return found
    elif isinstance(value, str) and "=" in value:
        pairs = [part.partition("=") for part in shlex.split(value.replace(",", " "))]
        if all(separator for _, separator, _ in pairs):
            return {name: text for name, _, text in pairs}
    raise ValueError("must be a mapping, not %s" % type(value).__name__)


def _to_path(value: Any) -> str:
    """A path; `~` and `$HOME` are the agent's user's."""
    text = _to_str(value)
    if "\0" in text:
        raise ValueError("must be a path, and no path has a zero byte")
    if "$" in text:
        text = os.path.expandvars(text)
    return os.path.expanduser(text) if text.startswith("~") else text


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
    if text == "preserve":
        return text
    if not text or set(text) - set("ugoarwxXst=+-,"):
        raise ValueError('%r is no mode; write it like "0644" or "u=rw,g=r,o="' % (value,))
    return text


_COERCE: dict[str, Callable[[Any], Any]] = {
    "str": _to_str,
    "path": _to_path,
    "int": _to_int,
    "float": _to_float,
    "bool": _to_bool,
    "list": _to_list,
    "dict": _to_dict,
    "mode": _to_mode,
    "any": lambda value: value,
}


def _value(parameter: Parameter, value: Any, open_value: Callable[[Any], bool] | None) -> Any:
    """A value as its parameter wants it.

    Raises:
        ValueError: it cannot be made so; the message goes on from the parameter's name.
    """
    value = _COERCE[parameter.kind](value)
    chosen = [value]
    if parameter.kind == "list":
        chosen = [entry for entry in value if open_value is None or not open_value(entry)]
        if parameter.elements is not None:
            convert = _COERCE[parameter.elements]
            value = [entry if open_value is not None and open_value(entry) else convert(entry) for entry in value]
    for each in chosen:
        if parameter.choices is not None and each not in parameter.choices:
            near = nearest(str(each), [str(choice) for choice in parameter.choices])
            hint = "; did you mean '%s'?" % near if near else ""
            raise ValueError("must be one of %s, not %r%s" % (", ".join(map(str, parameter.choices)), each, hint))
    return value


def names_of(specification: Specification) -> dict[str, str]:
    """The parameters' own names, by each that they have."""
    names: dict[str, str] = {}
    for name, parameter in specification.items():
        names[name] = name
        for alias in parameter.aliases:
            names[alias] = name
    return names


def resolve_names(
    specification: Specification, given: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Replace aliases by the parameters' own names.

    Args:
        specification: the parameters.
        given: the arguments as written.
        names: as `names_of` gives them.

    Returns:
        The arguments by own name, and what is wrong: unknown names (with the nearest known one) and doubled ones.
    """
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
    own, problems = resolve_names(specification, given, names_of(specification))
    arguments, wrong = values(specification, own, open_value)
    if problems or wrong:
        raise WrongArguments(problems + wrong)
    return arguments


def values(
    specification: Specification, own: Mapping[str, Any], open_value: Callable[[Any], bool] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Every parameter's value for arguments by their own names, and what is wrong with them."""
    arguments: dict[str, Any] = {}
    problems: list[str] = []
    for name, parameter in specification.items():
        value = own.get(name)
        if value is None:
            if parameter.required:
                problems.append("needs '%s'" % name)
            arguments[name] = None if parameter.nullable and name in own else parameter.default
        elif open_value is not None and open_value(value):
            arguments[name] = value
        else:
            try:
                arguments[name] = _value(parameter, value, open_value)
            except ValueError as error:
                problems.append("'%s' %s" % (name, error))
    return {**own, **arguments}, problems
