"""Asks before something is done that can't be taken back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from kprov.cli.exit_codes import ExitCode

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: I know what will be lost.")]


class Declined(Exception):
    """The person said no, or could not be asked. Nothing was changed."""

    exit_code = ExitCode.FAILED


def consent(question: str, *, yes: bool, tell: Callable[[str], None]) -> Callable[[Sequence[str]], None]:
    """Who asks: a function that is told what will be lost, and raises Declined unless the person agrees.

    Args:
        question: ends in a question mark.
        yes: the person agreed on the command line already.
        tell: shows a line.
    """

    def agree(lines: Sequence[str]) -> None:
        for line in lines:
            tell(f"  - {line}")
        if yes:
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise Declined(
                "nothing was changed: there is no terminal to ask on; --yes says that you agree to the above"
            )
        if not typer.confirm(question, default=False):
            raise Declined("nothing was changed")

    return agree
