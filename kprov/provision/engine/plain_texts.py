"""Texts with nothing but variables' names between braces: most texts of most roles, and no work for Jinja."""

from __future__ import annotations

import re

_NAME = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_ALONE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# What Jinja takes for something else than a variable of that name.
_RESERVED = frozenset(
    {"and", "caller", "elif", "else", "false", "False", "for", "if", "import", "in", "is", "kwargs"}
) | {*("loop", "none", "None", "not", "or", "recursive", "self", "super", "true", "True", "varargs")}


def is_name(expression: str) -> bool:
    """Whether an expression is a variable's name and nothing else."""
    return _ALONE.fullmatch(expression) is not None and expression not in _RESERVED


def parts_of(text: str) -> tuple[str, ...] | None:
    """A text's parts: what stands before the first name, the name, what stands between it and the next, and so on.

    Returns:
        None where there is anything in it that Jinja must look at.
    """
    if "\r" in text or "{%" in text or "{#" in text:
        return None
    parts = tuple(_NAME.split(text))
    between, names = parts[::2], parts[1::2]
    if not names or any("{{" in part for part in between) or any(part.endswith("{") for part in between[:-1]):
        return None
    return None if _RESERVED.intersection(names) else parts
