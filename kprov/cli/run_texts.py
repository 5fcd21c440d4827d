"""How runs that are over are shown to people and to programs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kprov.provision.engine.resumption import Resumption
    from kprov.provision.engine.run_comparison import Comparison
    from kprov.provision.engine.runs import PhaseRecord, Run, TaskRecord

_TROUBLE = ("failed", "unreachable")


def moment(stamp: float) -> str:
    """A time of day with its date, as this computer's clock shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp)) if stamp else "-"


def duration(seconds: float) -> str:
    """Short, and precise enough: 0.4 s, 12 s, 3 min 20 s, 1 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def row_of(run: Run) -> list[str]:
    """A run in the list."""
    changed = run.total("changed")
    return [
        run.id,
        moment(run.started),
        run.command or "-",
        run.outcome,
        str(len(run.hosts)),
        f"({changed})" if run.check else str(changed),
        str(run.total("failed") + sum(bool(counts.get("unreachable")) for counts in run.counts.values())),
        duration(run.seconds),
    ]


HEADER = ["RUN", "STARTED", "COMMAND", "OUTCOME", "HOSTS", "CHANGED", "FAILED", "TOOK"]


def facts_of(run: Run) -> dict[str, Any]:
    """A run for programs, without its tasks."""
    return {
        "run": run.id,
        "command": run.command,
        "check": run.check,
        "outcome": run.outcome,
        "started": run.started,
        "ended": run.ended,
        "seconds": round(run.seconds, 3),
        "by": run.by,
        "pid": run.pid,
        "kprov": run.version,
        "inventory": run.inventory,
        "hosts": run.hosts,
        "counts": run.counts,
        "error": run.error or None,
        "plan": run.plan or None,
        "unreadable_lines": run.unreadable,
        "log": str(run.log_path),
        "journal": str(run.journal_path),
    }


def task_facts(task: TaskRecord) -> dict[str, Any]:
    """A task for programs."""
    return {
        "host": task.host,
        "phase": task.phase,
        "role": task.role or None,
        "task": task.task,
        "status": task.status or "in flight",
        "message": task.message or None,
        "seconds": task.seconds,
        "where": task.where or None,
        "diff": task.diff or None,
        "check": task.check,
    }


def how_it_ended(run: Run) -> str:
    """The end of a run in words."""
    if run.outcome == "running":
        return f"under way (process {run.pid})" if run.pid else "under way"
    if run.outcome == "died":
        return f"died, its last word at {moment(run.ended)}"
    return f"{run.outcome} at {moment(run.ended)}"


def shown(run: Run, *, host: str = "", verbosity: int = 0, diff: bool = False) -> Iterator[str]:
    """A whole run for people: its head, its phases with what they changed, what was under way, where to read on."""
    yield f"Run {run.id}: {run.command or 'kprov'}" + (" (compared only, changed nothing)" if run.check else "")
    yield f"  began   {moment(run.started)}" + (f" by {run.by}" if run.by else "")
    yield f"  ended   {how_it_ended(run)}, after {duration(run.seconds)}"
    if run.plan:
        yield f"  plan    that of run {run.plan}"
    if run.error:
        yield f"  error   {run.error}"
    for name, (state, reason) in run.states.items():
        if state != "connected" and host in ("", name):
            yield f"  {name}: {state}: {reason}"
    for phase in run.phases:
        if not phase.rehearsal:
            yield from _phase(phase, run, host, verbosity, diff)
    yield from under_way(run, host)
    if run.counts and not host:
        yield ""
        width = max(len(name) for name in run.counts)
        yield from (f"  {name:<{width}}  {_sums(counts)}" for name, counts in run.counts.items())
    yield ""
    if run.unreadable:
        yield f"{run.unreadable} lines of its journal can't be read: kprov was cut off, or the disk was full"
    yield f"log      {run.log_path}"
    yield f"journal  {run.journal_path}"


def _phase(phase: PhaseRecord, run: Run, host: str, verbosity: int, diff: bool) -> Iterator[str]:
    if host and host not in phase.hosts and not any(task.host == host for task in phase.tasks):
        return
    took = "was under way" if phase.seconds is None else duration(phase.seconds)
    if phase.seconds is None and run.outcome != "running":
        took = "did not end"
    yield ""
    yield f"{phase.title or 'Between phases'} ({took})"
    hidden = 0
    for task in phase.tasks:
        if host not in ("", task.host):
            continue
        if not _is_shown(task, verbosity):
            hidden += 1
            continue
        role = f"{task.role}: " if task.role and task.role != phase.title else ""
        message = f": {task.message}" if task.message else ""
        place = f" ({task.where})" if task.where and task.status in _TROUBLE else ""
        yield f"  {_word(task):<12} {task.host}  {role}{task.task}{place}{message}"
        if diff and task.diff:
            yield from (f"      {line}" for line in task.diff.splitlines())
    if hidden:
        yield f"  {hidden} {'task' if hidden == 1 else 'tasks'} found nothing to do"


def _is_shown(task: TaskRecord, verbosity: int) -> bool:
    if task.status in ("changed", *_TROUBLE):
        return True
    return verbosity >= (2 if task.status == "skipped" else 1)


def _word(task: TaskRecord) -> str:
    return "would change" if task.check and task.status == "changed" else task.status


def under_way(run: Run, host: str = "") -> Iterator[str]:
    """What was sent and not answered when the run ended."""
    mine = {name: tasks for name, tasks in run.in_flight.items() if host in ("", name)}
    if not mine:
        return
    yield ""
    yield (
        "In flight (sent and not answered yet)"
        if run.outcome == "running"
        else "In flight when it ended: sent and not answered; the first of a host may have been done or half-done"
    )
    for name, tasks in mine.items():
        for task in tasks[:3]:
            role = f"{task.role}: " if task.role and task.role != task.phase else ""
            yield f"  {name}  {task.phase}: {role}{task.task}" + (f" (sent {moment(task.sent)})" if task.sent else "")
        if len(tasks) > 3:
            yield f"  {name}  and {len(tasks) - 3} more that stood in line behind"


def _sums(counts: dict[str, Any]) -> str:
    text = ", ".join(f"{counts.get(word, 0)} {word}" for word in ("ok", "changed", "failed", "skipped"))
    if counts.get("unreachable"):
        text += f", unreachable: {counts.get('reason') or 'the connection was lost'}"
    return text


def compared(found: Comparison, *, diff: bool = False) -> Iterator[str]:
    """Two runs side by side, for people."""
    for mark, run in (("-", found.before), ("+", found.after)):
        yield f"{mark} {run.id}  {run.command or 'kprov'}  {moment(run.started)}  {run.outcome}"
    for name in found.hosts_only_before:
        yield f"- {name} took part only in {found.before.id}"
    for name in found.hosts_only_after:
        yield f"+ {name} took part only in {found.after.id}"
    host = phase = ""
    for difference in found.differences:
        if (difference.host, difference.phase) != (host, phase):
            host, phase = difference.host, difference.phase
            yield ""
            yield f"{host}, {phase}"
        role = f"{difference.role}: " if difference.role and difference.role != phase else ""
        change = f"{difference.before or 'not there'} -> {difference.after or 'not there'}"
        message = f": {difference.message}" if difference.message else ""
        yield f"  {change:<22} {role}{difference.task}{message}"
        if diff and difference.diff:
            yield from (f"      {line}" for line in difference.diff.splitlines())
    if found.same:
        yield "every task ended the same way in both"


def going_on(found: Resumption) -> Iterator[str]:
    """Where a run goes on, for the person who started it."""
    run = found.run
    ways = {"died": "died", "interrupted": "was interrupted", "failed": "failed", "unreachable": "lost machines"}
    place = f' in "{found.phase}" (phase {found.phases_begun})' if found.phase else ""
    yield f"Goes on after run {run.id}, which {ways[run.outcome]} at {moment(run.ended)}{place}."
    for name, tasks in found.in_flight.items():
        more = f", with {len(tasks) - 1} more in line behind" if len(tasks) > 1 else ""
        yield f"  {name}: in flight was {_named(tasks[0])}{more}; it may be done, half-done or not done"
    for name, task in found.stopped.items():
        yield f"  {name}: failed at {_named(task)}: {task.message}"
    for name, reason in found.unreachable.items():
        yield f"  {name}: did not answer: {reason}"
    for (name, role), handlers in found.handlers.items():
        yield f"  {name}: still due: {', '.join(f'{role}: {handler}' for handler in sorted(handlers))}"
    if run.error and not (found.stopped or found.unreachable):
        yield f"  {run.error}"
    yield f"  What was done is only compared again. All of it: kprov runs show {run.id}"


def going_on_facts(found: Resumption) -> dict[str, Any]:
    """The same for programs."""
    return {
        "run": found.run.id,
        "outcome": found.run.outcome,
        "ended": found.run.ended,
        "phase": found.phase or None,
        "in_flight": {name: [task_facts(task) for task in tasks] for name, tasks in found.in_flight.items()},
        "failed": {name: task_facts(task) for name, task in found.stopped.items()},
        "unreachable": found.unreachable,
        "handlers_due": [
            {"host": name, "role": role, "handlers": sorted(handlers)}
            for (name, role), handlers in found.handlers.items()
        ],
    }


def _named(task: TaskRecord) -> str:
    return f"{task.role}: {task.task}" if task.role else task.task
