"""Whether a cron schedule can be read: five fields, or one of the @ words."""

from __future__ import annotations

import re

_WORDS = frozenset(("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"))
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_DURATION = re.compile(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+")


def schedule_error(schedule: str) -> str | None:
    """What is wrong with a schedule, or None."""
    text = schedule.strip()
    if text.startswith("@"):
        if text in _WORDS:
            return None
        if text.startswith("@every ") and _DURATION.fullmatch(text.removeprefix("@every ").strip()):
            return None
        return f"unrecognized descriptor: {schedule}"
    fields = text.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for text, (low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            error = _part_error(part, low, high, names)
            if error:
                return error
    return None


def _number(text: str, names: dict[str, int]) -> int | None:
    if text.lower() in names:
        return names[text.lower()]
    return int(text) if text.isdigit() else None


def _part_error(part: str, low: int, high: int, names: dict[str, int]) -> str | None:
    bounds, slash, step_text = part.partition("/")
    if slash and (not step_text.isdigit() or int(step_text) == 0):
        return f"step of range should be a positive number: {part}"
    if bounds in ("*", "?"):
        return None
    first_text, dash, last_text = bounds.partition("-")
    first = _number(first_text, names)
    last = _number(last_text, names) if dash else first
    if first is None or last is None:
        return f"failed to parse int from {first_text if first is None else last_text}"
    if first < low:
        return f"beginning of range ({first}) below minimum ({low}): {part}"
    if last > high:
        return f"end of range ({last}) above maximum ({high}): {part}"
    if first > last:
        return f"beginning of range ({first}) beyond end of range ({last}): {part}"
    return None
