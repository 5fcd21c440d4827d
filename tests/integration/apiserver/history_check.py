"""Holds what clients saw against what happened.

etcd gives all changes one order. So an object's history is linearizable if every request can be given a revision at
which its answer was true, not below what any request that had ended before was told, and not beyond what a request
that began later wrote first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from math import inf

from history_record import Operation, Segment, Truth


class _Window:
    """Between which revisions a request's answer must be true."""

    def __init__(self, operations: list[Operation]) -> None:
        told = [each for each in operations if each.outcome == "ok" and each.revision and each.fresh]
        told.sort(key=lambda each: each.ended)
        self._ended = [each.ended for each in told]
        self._low = list(accumulate((each.revision for each in told), max))
        written = [each for each in told if each.kind not in ("get", "list")]
        written.sort(key=lambda each: each.began)
        self._began = [each.began for each in written]
        self._high = list(accumulate((each.revision for each in reversed(written)), min))[::-1]

    def low(self, operation: Operation) -> int:
        place = bisect_left(self._ended, operation.began)
        return self._low[place - 1] if place else 0

    def high(self, operation: Operation) -> float:
        place = bisect_right(self._began, operation.ended)
        return self._high[place] - 1 if place < len(self._high) else inf


def violations(operations: list[Operation], truth: Truth) -> list[str]:
    """What clients were told that cannot have been true."""
    window = _Window(operations)
    found: list[str] = []
    for each in operations:
        low, high = window.low(each), window.high(each)
        problem = _write(each, truth, low, high) if each.kind not in ("get", "list") else ""
        if each.kind in ("get", "list") and each.outcome in ("ok", "missing"):
            problem = _read(each, truth, low if each.fresh else (each.asked or 0), high)
        if problem:
            found.append(f"{problem} (between {low} and {high}): {each}")
    return found


def _write(each: Operation, truth: Truth, low: int, high: float) -> str:
    stored = truth.by_value.get(each.value, []) if each.value else []
    if len(stored) > 1:
        return f"written twice, at {[version.revision for version in stored]}"
    if each.outcome == "refused":
        return "said not to be done, and done" if stored else ""
    if each.outcome == "unknown":
        return ""
    states = truth.during(each.key, low, high)
    if each.outcome == "missing":
        return "" if None in states else "not found, and there"
    if each.outcome == "exists":
        return "" if any(states) else "said to exist, and not there"
    if each.outcome == "conflict":
        known = any(state is None or state.revision != each.asked for state in states)
        return "" if known else "a conflict with nobody"
    if each.kind == "delete":
        return "" if truth.deletions(each.key, low, high) else "an acknowledged deletion is lost"
    if not stored or stored[0].revision != each.revision or stored[0].key != each.key:
        return "an acknowledged write is lost"
    if not low < each.revision <= high:
        return "out of order"
    before = truth.at(each.key, each.revision - 1)
    if each.kind == "create":
        return "" if before is None else "created over what was there"
    if before is None:
        return "updated though it was not there"
    if each.kind == "update" and before.revision != each.asked:
        return f"an update was lost: it replaced {before.revision}, not {each.asked}"
    return ""


def _read(each: Operation, truth: Truth, low: int, high: float) -> str:
    if each.kind == "list":
        if not low <= each.revision <= high:
            return "a list of another time"
        return "" if each.seen == truth.state(each.revision) else f"a list that never was: {truth.state(each.revision)}"
    states = truth.during(each.key, low, high)
    if each.outcome == "missing":
        return "" if None in states else "not found, and there"
    wanted = (each.revision, each.value)
    return "" if any(state and (state.revision, state.value) == wanted for state in states) else "a stale or false read"


def watch_violations(segments: Iterable[Segment], truth: Truth) -> list[str]:
    """What watches missed, repeated, reordered or made up."""
    found = []
    for each in segments:
        wanted = truth.stream(each.start, each.reached, each.tier)
        if each.events == wanted:
            continue
        for number, (got, due) in enumerate(zip(each.events, wanted, strict=False)):
            if got != due:
                found.append(f"{each.name}: event {number} is {got}, due was {due}")
                break
        else:
            rest = (each.events if len(each.events) > len(wanted) else wanted)[min(len(each.events), len(wanted)) :]
            what = "more than happened" if len(each.events) > len(wanted) else "less than happened"
            found.append(f"{each.name}: {what}, from {each.start} to {each.reached}: {rest[:3]}")
    return found
