"""Cron expressions: which minutes they name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def _number(text: str, names: list[str], first: int) -> int:
    return names.index(text.lower()) + first if text.lower() in names else int(text)


def _field(text: str, low: int, high: int, names: list[str], first: int = 0) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = int(step_text) if slash else 1
        if step < 1:
            raise ValueError(f"the step in {part!r} must be at least 1")
        if span in ("*", "?"):
            start, end = low, high
        else:
            begin, dash, finish = span.partition("-")
            start = _number(begin, names, first)
            end = _number(finish, names, first) if dash else (high if slash else start)
        if not low <= start <= end <= high:
            raise ValueError(f"{part!r} is not within {low}-{high}")
        numbers.update(range(start, end + 1, step))
    return frozenset(numbers)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The five fields of an expression, or a fixed period."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True
    any_weekday: bool = True
    period: timedelta | None = None

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read an expression. Raises ValueError."""
        text = text.strip()
        if text.startswith("@every "):
            from kprov.kube.api.flags import parse_duration

            return cls(period=timedelta(seconds=max(1.0, parse_duration(text.removeprefix("@every ").strip()))))
        fields = _NAMED.get(text, text).split()
        if len(fields) != 5:
            raise ValueError(f"{text!r} has {len(fields)} fields, and cron needs 5")
        minute, hour, day, month, weekday = fields
        return cls(
            _field(minute, 0, 59, []),
            _field(hour, 0, 23, []),
            _field(day, 1, 31, []),
            _field(month, 1, 12, _MONTHS, 1),
            frozenset(number % 7 for number in _field(weekday, 0, 7, _DAYS)),
            day[0] in "*?",
            weekday[0] in "*?",
        )

    def _names_day(self, moment: datetime) -> bool:
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        # Cron's rule: if both are restricted, either is enough.
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)

    def after(self, moment: datetime) -> datetime | None:
        """The first time after a moment (in its time zone); None if none comes within five years."""
        if self.period is not None:
            return (moment + self.period).replace(microsecond=0)
        found = (moment + timedelta(minutes=1)).replace(second=0, microsecond=0)
        end = moment + timedelta(days=5 * 366)
        while found < end:
            if found.month not in self.months or not self._names_day(found):
                found = (found + timedelta(days=1)).replace(hour=0, minute=0)
            elif found.hour not in self.hours:
                found = (found + timedelta(hours=1)).replace(minute=0)
            elif found.minute not in self.minutes:
                found += timedelta(minutes=1)
            else:
                return found
        return None
