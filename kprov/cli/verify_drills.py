"""Drills on the command line: which there are, and the table of what they showed."""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kprov.provision.verify import Report

_COLUMNS = (
    ("writes", "write_gap_seconds"),
    ("reads", "read_gap_seconds"),
    ("Service", "service_gap_seconds"),
    ("healed", "heal_seconds"),
)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """A drill is undone, too, when kprov is told to end or its terminal is closed: both are as Ctrl-C."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def catalogue_text() -> str:
    """kprov's drills for people."""
    from kprov.provision.verify.drills import catalogue

    drills = catalogue()
    width = max(map(len, drills))
    lines = []
    for drill in drills.values():
        lines.append(f"{drill.name:<{width}}  {drill.title}")
        units = [target.unit for target in drill.targets if target.unit]
        where = list(dict.fromkeys(target.where for target in drill.targets))
        lines.append(f"{'':<{width}}    {'; '.join(where)}{': ' + ', '.join(units) if units else ''}")
    return "\n".join(lines)


def catalogue_json() -> str:
    """kprov's drills for programs."""
    from kprov.provision.verify.drills import catalogue

    return json.dumps([dataclasses.asdict(drill) for drill in catalogue().values()], indent=2)


def _row(name: str, passed: bool, figures: Mapping[str, Any]) -> list[str]:
    def gap(key: str) -> str:
        value = figures.get(key)
        return "-" if value is None else f"{value:.1f} s"

    failed = sum(figures.get(key) or 0 for key in ("writes_failed_tries", "reads_failed_tries"))
    elections = {key: count for key, count in (figures.get("elections") or {}).items() if count}
    return [
        name,
        *(gap(key) for _, key in _COLUMNS),
        str(failed),
        f"{figures.get('calls_repeated', '-')}/{figures.get('calls_failed', '-')}",
        ", ".join(f"{key.removeprefix('kube-')} {count}" for key, count in elections.items()) or "-",
        f"{figures['load']:.1f}" if "load" in figures else "-",
        "held" if passed else "NOT HELD",
    ]


def drill_table(report: Report) -> str:
    """What each drill showed, a line each: the longest gaps, what was tried in vain, elections.

    ``tries`` are those of writes and reads that failed; ``calls`` those of the Service that were repeated, and that
    failed three times.
    """
    rows = [_row(each.name, each.passed, each.figures) for each in report.results if "drill" in each.figures]
    if not rows:
        return "no drill was done"
    header = ["drill", *(name for name, _ in _COLUMNS), "tries", "calls", "elections", "load", ""]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    )
