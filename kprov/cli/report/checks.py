"""What was checked: by group, with the drills and the requests during them, and when certificates end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kprov.provision.engine.runs import Run


@dataclass(frozen=True, slots=True)
class Second:
    """A second of a drill, in the chart: heights are hundredths of its lane."""

    x: float
    answered: float
    failed: float
    title: str


@dataclass(frozen=True, slots=True)
class Requests:
    """What clients of one kind saw, second by second."""

    name: str
    width: float
    seconds: list[Second]
    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A check as the report shows it."""

    name: str
    passed: bool
    message: str
    seconds: float
    figures: list[tuple[str, str]]
    requests: list[Requests]
    length: int


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill's row in the table: seconds as texts, "" where it was not measured."""

    name: str
    passed: bool
    write_gap: str
    read_gap: str
    service_gap: str
    healed: str
    repeated: int
    failed: int


def drills(runs: Sequence[Run]) -> list[Drill]:
    """What was broken, one row each: drills, and losses of machines."""
    rows = []
    for run in runs:
        for record in run.checks:
            figures = record.get("figures")
            if isinstance(figures, dict) and "heal_seconds" in figures:
                rows.append(_drill(record, figures))
    return rows


def _drill(record: dict[str, Any], figures: dict[str, Any]) -> Drill:
    def seconds(name: str) -> str:
        value = figures.get(f"{name}_seconds")
        return f"{value:.2f} s" if isinstance(value, (int, float)) else ""

    def together(*names: str) -> int:
        return sum(value for name in names if isinstance(value := figures.get(name), int))

    return Drill(
        str(record.get("name", "")),
        record.get("passed") is True,
        seconds("write_gap"),
        seconds("read_gap"),
        seconds("service_gap"),
        seconds("heal"),
        together("writes_repeated", "calls_repeated", "writes_failed"),  # a write that fails is tried again
        together("calls_failed"),
    )


def checks(runs: Sequence[Run]) -> dict[str, list[Checked]]:
    """The checks by their group, in the order in which they were made; machines are in the order of the run."""
    found: dict[str, list[Checked]] = {}
    for run in runs:
        for record in run.checks:
            found.setdefault(str(record.get("group", "")), []).append(_checked(record))
    # They are looked at all at once, and come as each is done.
    of_machines = [group for run in runs for name in run.hosts if (group := f"machine {name}") in found]
    ordered = iter(dict.fromkeys(of_machines))
    return {here: found[here] for group in found for here in [next(ordered) if group in of_machines else group]}


def certificate_ends(runs: Sequence[Run]) -> list[tuple[str, str, int]]:
    """Where each certificate lies, its name, and how many days it lasts; what ends first comes first."""
    rows = []
    for run in runs:
        for record in run.checks:
            days = (record.get("figures") or {}).get("days_left") if record.get("group") == "certificates" else None
            if isinstance(days, dict):
                name = str(record.get("name", ""))
                place = name.removeprefix("All certificates of ").removesuffix(" fit and last")
                place = "authorities" if place == name else place
                rows += [(place, str(which), left) for which, left in days.items() if isinstance(left, int)]
    return sorted(rows, key=lambda row: (row[2], row[0], row[1]))


def _checked(record: dict[str, Any]) -> Checked:
    figures = record.get("figures")
    figures = figures if isinstance(figures, dict) else {}
    series = figures.get("timeline")
    requests = [
        one
        for name, seconds in (series if isinstance(series, dict) else {}).items()
        if (one := _requests(str(name), seconds))
    ]
    length = max((len(one.seconds) for one in requests), default=0)
    return Checked(
        str(record.get("name", "")),
        record.get("passed") is True,
        str(record.get("message", "")),
        float(record.get("seconds") or 0.0),
        [(name.replace("_", " "), text) for name, value in figures.items() if (text := _plain(name, value))],
        [_scaled(one, length) for one in requests],
        length,
    )


_TOLD_OTHERWISE = frozenset({"timeline", "days_left", "title", "errors", "drill", "unit", "place"})
_SHORTEST = 20
"""A drill's chart is at least so many seconds wide: a bar is a second, and no wall."""


def _plain(name: str, value: Any) -> str:
    if name in _TOLD_OTHERWISE or not value or isinstance(value, bool):
        return ""  # of what did not happen nothing is said
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items() if one and isinstance(one, (int, float, str)))
    return f"{value:g}" if isinstance(value, float) else str(value) if isinstance(value, (int, str)) else ""


def _pairs(seconds: Any) -> Iterator[tuple[int, int]]:
    for each in seconds if isinstance(seconds, list) else ():
        if isinstance(each, (list, tuple)) and len(each) == 2 and all(isinstance(one, int) for one in each):
            yield each[0], each[1]


def _requests(name: str, seconds: Any) -> Requests | None:
    pairs = list(_pairs(seconds))
    if not pairs:
        return None
    most = max(1, *(answered + failed for answered, failed in pairs))
    bars = [
        Second(
            float(number),
            round(100 * answered / most, 1),
            round(100 * failed / most, 1),
            f"second {number}: {answered} answered, {failed} not",
        )
        for number, (answered, failed) in enumerate(pairs)
    ]
    return Requests(name, 1.0, bars, sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs))


def _scaled(requests: Requests, length: int) -> Requests:
    """All lanes of a drill on one scale of time, in hundredths."""
    step = 100 / max(_SHORTEST, length)
    bars = [Second(round(bar.x * step, 3), bar.answered, bar.failed, bar.title) for bar in requests.seconds]
    return Requests(requests.name, round(step * 0.86, 3), bars, requests.answered, requests.failed)
