"""Turns an exception into what a person reads, and into an exit code. No traceback unless ``-vvv``."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

from kprov.cli.exit_codes import ExitCode
from kprov.cli.invocation import current

# By name, so that no room is imported only to compare with a class that was never raised.
_CODES = {
    "InventoryErrors": ExitCode.USAGE,
    "AnsibleCfgError": ExitCode.USAGE,
    "ExtraVarsError": ExitCode.USAGE,
    "RoleErrors": ExitCode.USAGE,
    "PatternError": ExitCode.USAGE,
    "LockedError": ExitCode.LOCKED,
    "UnreachableError": ExitCode.UNREACHABLE,
    "VerificationError": ExitCode.VERIFICATION,
}


def code_of(error: BaseException) -> ExitCode:
    """The exit code for an exception: its own ``exit_code``, else by its class, else FAILED."""
    own = getattr(error, "exit_code", None)
    if isinstance(own, int) and own in ExitCode._value2member_map_:
        return ExitCode(own)
    for kind in type(error).__mro__:
        if kind.__name__ in _CODES:
            return _CODES[kind.__name__]
    return ExitCode.FAILED


def warn(message: str) -> None:
    """Say what a person should know, on standard error."""
    print(f"warning: {message}", file=sys.stderr)


def report(error: Exception) -> ExitCode:
    """Say what went wrong, on standard error (or as JSON on standard output). Returns the exit code."""
    code = code_of(error)
    if current.is_json:
        print(json.dumps(_as_event(error, code)), flush=True)
    else:
        print(_as_text(error), file=sys.stderr, flush=True)
    if current.shows_tracebacks:
        traceback.print_exception(error, file=sys.stderr)
    return code


def _problems(error: Exception) -> list[Any]:
    problems = getattr(error, "problems", None)
    return list(problems) if isinstance(problems, (list, tuple)) else []


def _as_text(error: Exception) -> str:
    problems = _problems(error)
    if problems:
        count = len(problems)
        noun = getattr(error, "noun", "mistake")
        return "\n".join([*map(str, problems), f"kprov: {count} {noun}{'s' * (count != 1)}; nothing was changed"])
    if _is_for_people(error):
        return f"kprov: {error}"
    # A bug has no message made for people: its class says more than an empty line.
    return f"kprov: {type(error).__name__}: {error} (this is a fault in kprov: -vvv shows where)"


def _is_for_people(error: Exception) -> bool:
    module = type(error).__module__
    return (
        module.startswith("kprov.") or isinstance(error, OSError) or isinstance(getattr(error, "exit_code", None), int)
    )


def _as_event(error: Exception, code: ExitCode) -> dict[str, Any]:
    event: dict[str, Any] = {"event": "error", "exit_code": code.value, "message": _as_text(error)}
    problems = _problems(error)
    if problems:
        event["problems"] = [
            {"message": problem}
            if isinstance(problem, str)
            else {key: getattr(problem, key, None) for key in ("file", "line", "message", "suggestion")}
            for problem in problems
        ]
    return event
