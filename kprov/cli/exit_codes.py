"""What ``kprov`` tells the shell when it ends."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes; their meanings are part of kprov's interface and do not change."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    VERIFICATION = 4
    LOCKED = 5
    OUTDATED = 6
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "something failed on a machine or on this computer",
    ExitCode.USAGE: "the command line, the inventory or a role has mistakes; nothing was changed",
    ExitCode.UNREACHABLE: "some machines did not answer; what could be done on the others was done",
    ExitCode.VERIFICATION: "the cluster was verified and something in it is not right",
    ExitCode.LOCKED: "another kprov is at work on some of the machines",
    ExitCode.OUTDATED: "something is not as it was when the plan was made; nothing was changed",
    ExitCode.INTERRUPTED: "interrupted; the same command goes on from there",
}

# How the engine names the ways in which a run ends.
_OF_OUTCOME = {
    "ok": ExitCode.OK,
    "failed": ExitCode.FAILED,
    "unreachable": ExitCode.UNREACHABLE,
    "locked": ExitCode.LOCKED,
}


def of_outcome(outcome: str) -> ExitCode:
    """The exit code for an engine's outcome; anything unheard of is a failure."""
    return _OF_OUTCOME.get(outcome, ExitCode.FAILED)


def epilog() -> str:
    """The exit codes as a text for ``--help``, a paragraph each."""
    return "\n\n".join(["Exit codes:", *(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())])
