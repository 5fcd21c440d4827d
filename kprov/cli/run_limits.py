"""What the options that limit and pace a run mean: read once, refused with the option's name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kprov.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from kprov.provision.cluster.phase import Phase
    from kprov.provision.inventory import Host, Inventory


class OptionError(ValueError):
    """An option's value that can't be right; the message names the option."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Listing:
    """What is to be listed instead of run."""

    phases: bool = False
    hosts: bool = False
    tags: bool = False
    tasks: bool = False

    def __bool__(self) -> bool:
        return self.phases or self.hosts or self.tags or self.tasks


def limits(
    inventory: Inventory,
    *,
    limit: str = "",
    tags: Sequence[str] | None = None,
    skip_tags: Sequence[str] | None = None,
    start_at_phase: str = "",
    serial: str = "",
    max_fail: str = "",
    step: bool = False,
    timeouts: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The fields of the procedures' Options that these options give.

    Raises: PatternError, OptionError.
    """
    from kprov.cli.inventory_source import limit_hosts
    from kprov.provision.cluster.pace import Pace
    from kprov.provision.engine.tags import split

    return {
        "limit": frozenset(host.name for host in limit_hosts(inventory, limit)) if limit else None,
        "tags": split(tags),
        "skip_tags": split(skip_tags),
        "start_at_phase": start_at_phase,
        "pace": Pace(
            read_serial(serial), read_max_fail(max_fail, len(inventory.hosts)), Stepper().ask_phase if step else None
        ),
        "timeouts": read_timeouts(inventory, timeouts),
    }


def read_serial(text: str) -> list[int | str] | None:
    """The batches of ``--serial``; None when it is not given. Raises OptionError."""
    from kprov.provision.engine.batches import parse

    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise OptionError(f"--serial {text}: {error}") from None


def read_max_fail(text: str, count: int) -> str | None:
    """``--max-fail``, checked; None when it is not given. Raises OptionError."""
    from kprov.provision.engine.batches import most_failures

    if not text:
        return None
    try:
        most_failures(text, count)
    except ValueError as error:
        raise OptionError(f"--max-fail {text}: {error}") from None
    return text


def read_timeouts(inventory: Inventory, options: Sequence[str] | None) -> Any:
    """The inventory's timeouts, with those of ``--timeout``. Raises OptionError."""
    try:
        return inventory.cluster.kprov_timeouts.with_options(options or ())
    except ValueError as error:
        raise OptionError(f"--timeout: {error}") from None


class Stepper:
    """Asks before each phase or play, until the person says that the rest may go on by itself.

    Raises: OptionError when there is nobody to ask.
    """

    def __init__(self) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise OptionError("--step asks before each phase, and there is no terminal here to ask on")
        self._asking = True

    def ask_phase(self, phase: Phase, hosts: Sequence[Host]) -> bool:
        """Whether to run a phase. Raises RunEnded when the person ends the run."""
        return self.ask(phase.title, [host.name for host in hosts])

    def ask(self, title: str, hosts: Sequence[str]) -> bool:
        """Whether to run a phase or a play. Raises RunEnded when the person ends the run."""
        from kprov.provision.cluster.pace import RunEnded

        if not self._asking:
            return True
        while True:
            try:
                answer = input(f"{title} ({', '.join(hosts)})? [y]es, [n]o, [c]ontinue without asking, [q]uit: ")
            except EOFError:
                answer = "quit"
            word = answer.strip().lower()
            if word and "continue".startswith(word):
                self._asking = False
            if word and ("yes".startswith(word) or not self._asking):
                return True
            if word and "no".startswith(word):
                return False
            if word and "quit".startswith(word):
                raise RunEnded(f'ended before "{title}"; the same command goes on from there')
