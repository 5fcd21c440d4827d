"""The forms of a verification's report."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from kprov.cli.invocation import OutputFormat, current


class VerifyFormat(StrEnum):
    """What ``kprov verify`` writes to standard output."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def _set(value: VerifyFormat) -> VerifyFormat:
    # Errors before there is a report are JSON wherever a program reads.
    current.output = OutputFormat.TEXT if value is VerifyFormat.TEXT else OutputFormat.JSON
    return value


VerifyOutput = Annotated[
    VerifyFormat, typer.Option("--output", "-o", callback=_set, help="text for people; json; junit for CI systems.")
]
