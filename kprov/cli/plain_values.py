"""Options' values without pydantic: typer imports it for every command line, which takes longer than most commands.

A value that is what its option wants is taken as it is; all others go typer's own way, which says what is wrong.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_origin

import typer.core
from typer._coercion import RuntimeParam, build_runtime_param
from typer._param_types import coerce_cli_path

_DIGITS = re.compile(r"[0-9]{1,18}")


class PlainValue(RuntimeParam):
    """Typer's way from what was typed to a value, with short cuts."""

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        own = self.parameter_info
        if own.parser is None:
            wanted: Any = self.annotation
            if isinstance(value, (list, tuple)) and get_origin(wanted) is list:
                found = [self._taken(get_args(wanted)[0], one, param, ctx) for one in value]
                if None not in found:
                    return found
            else:
                taken = self._taken(wanted, value, param, ctx)
                if taken is not None:
                    return taken
        return build_runtime_param(param.type_descriptor)._coerce_value(value, param, ctx)

    def _taken(self, wanted: Any, value: Any, param: Any, ctx: Any) -> Any:
        """The value; None where it needs a closer look."""
        own = self.parameter_info
        if wanted is Path and isinstance(value, (str, Path)):
            return coerce_cli_path(Path(value), own, path_type=own.path_type or Path, param=param, ctx=ctx)
        if wanted is int and isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if type(value) is not wanted:
            members = getattr(wanted, "__members__", {}).values()
            return next((member for member in members if member.value == value), None)
        if wanted in (int, float):
            return value if _is_within(value, own) else None
        return value


def _is_within(value: float, own: Any) -> bool:
    return (own.min is None or value >= own.min) and (own.max is None or value <= own.max)


def _runtime_param(parameter: Any) -> RuntimeParam:
    if parameter._runtime_param is None:
        descriptor = parameter.type_descriptor
        plain = descriptor.file_annotation is None
        parameter._runtime_param = (
            PlainValue(descriptor.parameter_info, descriptor.annotation) if plain else build_runtime_param(descriptor)
        )
    found: RuntimeParam = parameter._runtime_param
    return found


def take_plain_values() -> None:
    """Let every command take plain values as they are, from now on."""
    parameter: Any = typer.core._TyperParameter
    parameter.get_runtime_param = _runtime_param
