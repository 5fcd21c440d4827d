"""Compiles and evaluates expressions, with CEL's own runtime and the functions that Kubernetes adds.

The runtime bounds what an expression may do (its loops have a budget), so that no rule can hold the server up.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

_COMPILED = 4096
# What cel-go has had since its 0.22, and the runtime here has not: named where an expression cannot be compiled.
_TWO_VARIABLES = re.compile(
    r"\.(?:transformList|transformMap|transformMapEntry)\("
    r"|\.(?:all|exists|existsOne|exists_one)\((?=\s*\w+\s*,\s*\w+\s*,)"
)


class CelError(Exception):
    """An expression is none, or cannot be evaluated for some values."""


@cache
def _environment(variables: tuple[str, ...]) -> Any:
    # rare, and 17 MB: only servers that meet a rule pay for it
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

    from kprov.kube.apiserver.cel.functions import library

    return cel.NewEnv(
        variables=dict.fromkeys(variables, cel.Type.DYN),
        extensions=[
            ext_bindings.ExtBindings(),
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            ext_strings.ExtStrings(),
            library(),
        ],
    )


class Expression:
    """A compiled expression.

    Args:
        text: the expression.
        variables: the names that it may use.

    Raises:
        CelError: it is no expression, or uses what there is not.
    """

    def __init__(self, text: str, variables: tuple[str, ...]) -> None:
        try:
            self._program = _environment(variables).compile(text)
        except RuntimeError as error:
            said = str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")
            if found := _TWO_VARIABLES.search(text):
                said = f"kprov's CEL has no comprehensions of two variables, such as this {found[0][1:-1]}: {said}"
            raise CelError(f"compilation failed: {said}") from None
        self.type = str(self._program.return_type().name()).lower()

    def evaluate(self, values: dict[str, Any]) -> Any:
        """The expression's value for some values of its variables. Raises CelError."""
        try:
            found = self._program.eval(data=values)
            if found.type().name() == "ERROR":
                raise CelError(_told(str(found.value())))
            return found.plain_value()
        except (RuntimeError, TypeError, ValueError) as error:
            raise CelError(_told(str(error))) from None


def _told(error: str) -> str:
    """The runtime's complaint in upstream's words, where they have other ones."""
    text = error.partition(": ")[2] or error
    if text.startswith("Key not found in map"):
        return "no such key: " + text.rpartition(" : ")[2].strip('"')
    if text.startswith("No matching overloads found"):
        return "no such overload" + text.removeprefix("No matching overloads found")
    return text


@lru_cache(maxsize=_COMPILED)
def compiled(text: str, variables: tuple[str, ...]) -> Expression:
    """An expression, compiled when it is first seen. Raises CelError."""
    return Expression(text, variables)
