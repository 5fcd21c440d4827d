"""The simple JSONPaths of printer columns and scales.

``.spec.replicas``, ``.status.conditions[?(@.type=="Ready")].status``, ``.metadata.labels['a/b']``, ``.spec.list[0]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterable[Any]]

_TOKEN = re.compile(
    r"""\.?(?P<name>(?:[\w/:-]|\\.)+)
      | \.?\[ \s* (?P<quote>['"])(?P<quoted>.*?)(?P=quote) \s* \]
      | \.?\[ \s* (?P<index>-?\d+) \s* \]
      | \.?\[ \s* (?P<all>\*) \s* \] | \.(?P<star>\*)
      | \[\? \( \s* @\.(?P<field>[\w./-]+) \s* (?P<operator>==|!=)
            \s* (?P<mark>['"])(?P<wanted>.*?)(?P=mark) \s* \) \]""",
    re.VERBOSE,
)


class JsonPathError(ValueError):
    """A path that cannot be read."""


@lru_cache(maxsize=1024)
def compiled(path: str) -> tuple[Step, ...]:
    """A path's steps. Raises JsonPathError."""
    text, position = path.strip().removeprefix("{").removesuffix("}").removeprefix("$"), 0
    steps: list[Step] = []
    if text in ("", "."):
        return ()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.end() == position:
            raise JsonPathError(f"is an invalid JSONPath: {path}")
        steps.append(_step(found.groupdict()))
        position = found.end()
    return tuple(steps)


def _step(part: dict[str, str | None]) -> Step:
    name = part["name"] or part["quoted"]
    if name is not None:
        key = re.sub(r"\\(.)", r"\1", name)
        return lambda value: [value[key]] if isinstance(value, dict) and key in value else []
    if part["index"] is not None:
        index = int(part["index"])
        return lambda value: value[index : index + 1 or None] if isinstance(value, list) else []
    if part["field"] is not None:
        field, wanted, equal = part["field"], part["wanted"], part["operator"] == "=="
        inner = compiled("." + field)

        def chosen(value: Any) -> Iterable[Any]:
            items = value if isinstance(value, list) else []
            return [item for item in items if ([str(each) for each in _walk(item, inner)] == [wanted]) is equal]

        return chosen
    return lambda value: list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _walk(value: Any, steps: tuple[Step, ...]) -> list[Any]:
    found = [value]
    for step in steps:
        found = [each for item in found for each in step(item)]
    return found


def find(value: Any, path: str) -> list[Any]:
    """All that a path leads to. Raises JsonPathError for a path that cannot be read."""
    return _walk(value, compiled(path))


def put(value: dict[str, Any], path: str, new: Any) -> None:
    """Set what a path of plain names leads to, making the objects on the way. Raises JsonPathError for another path."""
    names = path.strip().removeprefix("$").lstrip(".").split(".")
    if not all(re.fullmatch(r"[\w-]+", name) for name in names):
        raise JsonPathError(f"is no path of plain names: {path}")
    *before, last = names
    for name in before:
        value = value.setdefault(name, {})
    value[last] = new
