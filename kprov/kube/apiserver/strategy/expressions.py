"""Expressions in CEL that objects hold: whether they are some, and the matchConditions of webhooks and policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kprov.kube.apiserver.cel.expressions import CelError, compiled
from kprov.kube.apiserver.strategy.base import FieldError, duplicate, invalid, required, too_many
from kprov.kube.apiserver.strategy.fields import qualified_name_errors

Object = dict[str, Any]
_MOST_CONDITIONS = 64


def expression_errors(text: Any, names: tuple[str, ...], types: tuple[str, ...], path: str) -> list[FieldError]:
    """What is wrong with an expression.

    Args:
        text: the expression.
        names: the variables that it may name.
        types: what it may evaluate to; nothing: whatever it likes.
        path: where it stands.
    """
    if not isinstance(text, str) or not text.strip():
        return [required(path)]
    try:
        found = compiled(text.strip(), names).type
    except CelError as error:
        return [invalid(path, text, str(error))]
    if types and found not in (*types, "dyn"):
        return [invalid(path, text, f"must evaluate to {' or '.join(types)}")]
    return []


def condition_errors(
    conditions: Sequence[Object], path: str, judge: Callable[[str, str], list[FieldError]]
) -> list[FieldError]:
    """What is wrong with matchConditions: each has a name of its own.

    Args:
        conditions: as they were given.
        path: where they stand.
        judge: says what is wrong with one's expression, from its text and its path.
    """
    found: list[FieldError] = []
    if len(conditions) > _MOST_CONDITIONS:
        found.append(too_many(path, len(conditions), _MOST_CONDITIONS))
    for index, each in enumerate(conditions):
        here, name = f"{path}[{index}]", each.get("name") or ""
        if not name:
            found.append(required(f"{here}.name"))
        elif any(name == other.get("name") for other in conditions[:index]):
            found.append(duplicate(f"{here}.name", name))
        else:
            found += [invalid(f"{here}.name", name, problem) for problem in qualified_name_errors(name)]
        found += judge(str(each.get("expression") or "").strip(), f"{here}.expression")
    return found
