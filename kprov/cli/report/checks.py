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


def checks(runs: Sequence[Run]) -> dict[str, list[Checked]]:
    """The checks by their group, in the order in which they were made."""
    found: dict[str, list[Checked]] = {}
    for run in runs:
        for record in run.checks:
            found.setdefault(str(record.get("group", "")), []).append(_checked(record))
    return found


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


def _plain(name: str, value: Any) -> str:
    if name in ("timeline", "days_left", "title", "errors") or value is None or isinstance(value, bool):
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items() if isinstance(one, (int, float, str)))
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
    step = 100 / max(1, length)
    bars = [Second(round(bar.x * step, 3), bar.answered, bar.failed, bar.title) for bar in requests.seconds]
    return Requests(requests.name, round(step * 0.86, 3), bars, requests.answered, requests.failed)
