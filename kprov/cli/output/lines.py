"""The lines that people read, the same on a terminal and in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kprov.cli.output.base import PhaseTally, count_of

# How talkative one must be for a task's end to be shown.
_VERBOSITY_OF = {"unreachable": 0, "failed": 0, "changed": 0, "ok": 1, "skipped": 2}

# A machine's words are shown, not obeyed: a terminal would take these as orders.
_ORDERS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != ord("\t")}


def printable(line: str) -> str:
    """A line with its control characters written out."""
    return line.translate(_ORDERS)


def is_shown(status: str, verbosity: int, message: str = "") -> bool:
    """Whether a task that ended so deserves a line; one that is well and says something all the same was made to."""
    return verbosity >= _VERBOSITY_OF.get(status, 0) or (status == "ok" and bool(message))


def task_lines(
    host: str, role: str, task: str, status: str, message: str, diff: str, duration: float, *, show_diff: bool
) -> Iterator[str]:
    """A line for the task, then its message and its diff, indented."""
    name = f"{role}: {task}" if role else task
    time = f" ({duration:.1f} s)" if duration >= 1 else ""
    yield f"  {host}: {status}: {name}{time}"
    if message and status in ("failed", "unreachable", "rescued", "ok"):
        yield from (f"      {printable(line)}" for line in message.splitlines())
    if diff and show_diff:
        yield from (f"      {printable(line)}" for line in diff.splitlines())


def phase_end(phase: PhaseTally) -> str:
    """The line at a phase's end."""
    return f"  {phase.sentence()} ({phase.seconds:.1f} s)"


def recap(summary: Mapping[str, Any], states: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """A line a host with its counts, those in trouble last, where one looks first."""
    if not summary:
        return
    width = max(map(len, summary))

    def trouble(host: str) -> bool:
        return bool(count_of(summary[host], "failed") or count_of(summary[host], "unreachable"))

    for host in sorted(summary, key=trouble):
        counts = summary[host]
        numbers = "  ".join(
            f"{word} {int(count_of(counts, word) or 0)}" for word in ("ok", "changed", "failed", "skipped")
        )
        reason = str(count_of(counts, "reason") or states.get(host, ("", ""))[1] or "")
        mark = "  unreachable" if count_of(counts, "unreachable") else ""
        yield f"  {host:<{width}}  {numbers}{mark}{': ' + printable(reason) if reason and trouble(host) else ''}"
        if trouble(host) and (place := _place(counts)):
            yield f"  {'':<{width}}  {place}"


def _place(counts: Any) -> str:
    """Where a host in trouble was."""
    said = {
        "in": count_of(counts, "phase"),
        "last finished:": count_of(counts, "finished"),
        "in flight:": ", ".join(count_of(counts, "in_flight") or ()),
    }
    return "; ".join(f"{words} {value}" for words, value in said.items() if value)
