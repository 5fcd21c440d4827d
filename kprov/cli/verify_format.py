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


class Profile(StrEnum):
    """What machines can be held against."""

    CIS = "cis"


def _set(value: VerifyFormat) -> VerifyFormat:
    # Errors before there is a report are JSON wherever a program reads.
    current.output = OutputFormat.TEXT if value is VerifyFormat.TEXT else OutputFormat.JSON
    return value


VerifyOutput = Annotated[
    VerifyFormat, typer.Option("--output", "-o", callback=_set, help="text for people; json; junit for CI systems.")
]

ProfileOption = Annotated[
    Profile | None,
    typer.Option(
        "--profile",
        help="Only hold the machines against this benchmark: flags, files, modes and owners. Changes nothing.",
        show_default=False,
    ),
]
