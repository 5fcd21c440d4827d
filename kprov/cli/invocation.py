"""How this run of ``kprov`` was asked to speak. There is one command line a process, so there is one of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kprov.cli.output.base import RunReporter


class OutputFormat(StrEnum):
    """What is written to standard output."""

    TEXT = "text"
    JSON = "json"


@dataclass(slots=True)
class Invocation:
    """Set by the options, read by reporters and by whoever reports a failure."""

    verb: str = ""
    verbosity: int = 0
    output: OutputFormat = OutputFormat.TEXT
    reporter: RunReporter | None = None
    """Who shows the run, once there is one; it has the last word."""
    vault_ids: list[str] = field(default_factory=list)
    """Where the passwords of vaults come from, as ``--vault-id`` and ``--vault-password-file`` said it."""
    asks_vault_password: bool = False
    usual_vault_password_file: Path | None = None
    """Where that comes from when neither options nor the environment say it."""

    @property
    def is_json(self) -> bool:
        """Whether standard output must be JSON, one object a line."""
        return self.output is OutputFormat.JSON

    @property
    def shows_tracebacks(self) -> bool:
        """Whether an error shows where in kprov it arose (``-vvv``)."""
        return self.verbosity >= 3

    def reset(self) -> None:
        """Forget the last command line (tests run many in one process)."""
        self.verb, self.verbosity, self.output = "", 0, OutputFormat.TEXT
        self.reporter = None
        self.vault_ids, self.asks_vault_password, self.usual_vault_password_file = [], False, None


current = Invocation()
