"""The timeline: when each machine was at work in each phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from kprov.cli.report.alike import named
from kprov.provision.engine.runs import CHANGED, ENDED, FAILED, PhaseRecord, Run, TaskRecord

_LEAST = 0.4
"""So wide a bar must be, in hundredths of the whole, to be seen."""
_MOST_ROWS = 40
"""Of more phases than these (an upgrade has each once a batch) those share a row that found nothing to do, quickly."""
_MOST_LANES = 30
"""More lines than these a phase does not get: of many machines, some share one."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Machines at work: where they begin and how wide it is, in hundredths, and what they did."""

    lane: int
    left: float
    width: float
    kind: str  # ok, changed, failed
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """A phase."""

    title: str
    seconds: float | None
    left: float
    width: float
    bars: list[Bar]
    changed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """All phases on one scale."""

    rows: list[Row]
    lanes: list[tuple[str, ...]]
    """The machines of each lane: one, or some that stand side by side where there are many."""
    ticks: list[tuple[float, str]]
    lane: int
    """The height of a lane, in pixels."""

    @property
    def height(self) -> int:
        """The height of all lanes."""
        return len(self.lanes) * self.lane

    @property
    def from_top(self) -> str:
        """The machines in their order."""
        hosts = [host for lane in self.lanes for host in lane]
        together = f", {len(self.lanes[0])} to a line" if len(hosts) > len(self.lanes) else ""
        return f"{named(hosts)}{together}"


def timeline(runs: Sequence[Run]) -> Timeline | None:
    """The timeline of runs that followed each other; None where no phase was begun."""
    phases = [(run, phase) for run in runs for phase in run.phases if not phase.rehearsal]
    if not phases:
        return None
    begin = min(run.started for run in runs)
    end = max([run.ended for run in runs] + [begin + 0.001])
    hosts = list(dict.fromkeys(host for run in runs for host in run.hosts))
    size = -(-len(hosts) // _MOST_LANES) or 1
    lanes = [tuple(hosts[at : at + size]) for at in range(0, len(hosts), size)]
    rows = [_row(run, phase, lanes, begin, end - begin) for run, phase in phases]
    ticks = [(100 * at / (end - begin), _clock(at)) for at in _moments(end - begin)]
    rows = _gathered(rows, max(1.0, (end - begin) / 50)) if len(rows) > _MOST_ROWS else rows
    return Timeline(rows, lanes, ticks, 7 if len(lanes) <= 8 else 4 if len(lanes) <= 24 else 2)


def _row(run: Run, phase: PhaseRecord, lanes: Sequence[tuple[str, ...]], begin: float, whole: float) -> Row:
    ended = phase.ended if phase.ended is not None else run.ended
    by_host: dict[str, list[TaskRecord]] = {}
    for task in phase.tasks:
        by_host.setdefault(task.host, []).append(task)
    bars = []
    for lane, hosts in enumerate(lanes):
        tasks = [task for host in hosts for task in by_host.get(host, ())]
        if not tasks:
            continue
        sent = [task for task in tasks if task.sent]
        first = min((task.sent for task in sent), default=phase.started)
        last = max((task.sent + task.seconds for task in sent), default=first)
        bad = sum(task.status in FAILED for task in tasks)
        changed = sum(task.status == CHANGED for task in tasks)
        told = f"{named(hosts)}: {len(tasks)} tasks in {max(0.0, last - first):.1f} s, {changed} changed, {bad} failed"
        kind = "failed" if bad else "changed" if changed else "ok"
        left, width = _place(first, min(last, ended), begin, whole)
        bars.append(Bar(lane, left, width, kind, told))
    left, width = _place(phase.started, ended, begin, whole)
    sums = [task.status for task in phase.tasks]
    failed = sum(status in FAILED for status in sums)
    seconds = phase.seconds if phase.title or run.outcome not in ENDED else max(0.0, ended - phase.started)
    return Row(
        phase.title or ("Checks" if run.checks else "Between phases"),
        seconds,
        left,
        width,
        bars,
        sum(one == CHANGED for one in sums),
        failed,
    )


def _gathered(rows: Sequence[Row], quick: float) -> list[Row]:
    def is_quiet(row: Row) -> bool:
        return not row.changed and not row.failed and row.seconds is not None and row.seconds < quick

    found: list[Row] = []
    for quiet, members in groupby(rows, key=is_quiet):
        following = list(members)
        found += [_together(following)] if quiet and len(following) > 1 else following
    return found


def _together(rows: Sequence[Row]) -> Row:
    """One row for phases that found nothing to do."""
    by_lane: dict[int, list[Bar]] = {}
    for bar in (bar for row in rows for bar in row.bars):
        by_lane.setdefault(bar.lane, []).append(bar)
    bars = [
        Bar(lane, *_span([(bar.left, bar.width) for bar in mine]), "ok", "\n".join(bar.title for bar in mine[:5]))
        for lane, mine in sorted(by_lane.items())
    ]
    left, width = _span([(row.left, row.width) for row in rows])
    title = f"{rows[0].title} ... {rows[-1].title}: {len(rows)} phases, nothing to do"
    return Row(title, sum(row.seconds or 0.0 for row in rows), left, width, bars, 0, 0)


def _span(places: Sequence[tuple[float, float]]) -> tuple[float, float]:
    left = min(left for left, _ in places)
    return left, round(max(left + width for left, width in places) - left, 3)


def _place(first: float, last: float, begin: float, whole: float) -> tuple[float, float]:
    left = min(max(0.0, 100 * (first - begin) / whole), 100 - _LEAST)
    return round(left, 3), round(min(max(_LEAST, 100 * (last - first) / whole), 100 - left), 3)


def _moments(whole: float) -> list[float]:
    """Round moments, four to seven of them."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800):
        if whole / step <= 7:
            return [step * number for number in range(int(whole / step) + 1)]
    return [0.0]


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"
