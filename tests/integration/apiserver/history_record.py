"""What clients did and saw, and what etcd says that happened."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

State = dict[str, tuple[int, str]]  # key -> resourceVersion and value


@dataclass(slots=True)
class Operation:
    """One request, by a clock that all clients share.

    Attributes:
        kind: create, update (with a resourceVersion), replace (without), delete, get, list.
        outcome: ok, conflict, exists, missing, refused (certainly not done) or unknown.
        asked: the resourceVersion that it named; None for none.
        revision: the resourceVersion of what was written, of the object that was read, or of the list.
    """

    kind: str
    key: str
    began: float
    value: str = ""
    asked: int | None = None
    ended: float = 0.0
    outcome: str = "unknown"
    revision: int = 0
    seen: State = field(default_factory=dict)
    server: int = 0
    said: str = ""

    @property
    def fresh(self) -> bool:
        """Whether the request asked for the latest state."""
        return self.kind not in ("get", "list") or self.asked is None


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch."""

    type: str
    key: str
    revision: int
    value: str


@dataclass(slots=True)
class Segment:
    """What a watcher saw from one list on, through however many connections; ``reached`` is where it stands."""

    name: str
    start: int
    reached: int
    tier: str = ""  # the value of the label that it selects; empty for everything
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Version:
    """A change of a key; ``value`` is None for its deletion."""

    revision: int
    key: str
    value: str | None
    tier: str = ""


class Truth:
    """Every change, in etcd's order."""

    def __init__(self, versions: Iterable[Version]) -> None:
        self.versions = sorted(versions, key=lambda version: version.revision)
        self._of: dict[str, list[Version]] = defaultdict(list)
        self._revisions: dict[str, list[int]] = defaultdict(list)
        self.by_value: dict[str, list[Version]] = defaultdict(list)
        for version in self.versions:
            self._of[version.key].append(version)
            self._revisions[version.key].append(version.revision)
            if version.value is not None:
                self.by_value[version.value].append(version)

    def at(self, key: str, revision: int) -> Version | None:
        """A key's version as of a revision; None where it is not there."""
        place = bisect_right(self._revisions[key], revision)
        found = self._of[key][place - 1] if place else None
        return found if found is not None and found.value is not None else None

    def during(self, key: str, low: int, high: float) -> list[Version | None]:
        """What a key was, from one revision to another: each version, None where it was not there."""
        found = [self.at(key, low)]
        place = bisect_right(self._revisions[key], low)
        for version in self._of[key][place:]:
            if version.revision > high:
                break
            found.append(version if version.value is not None else None)
        return found

    def deletions(self, key: str, low: int, high: float) -> list[int]:
        """When a key was deleted, after one revision and up to another."""
        return [v.revision for v in self._of[key] if v.value is None and low < v.revision <= high]

    def state(self, revision: int) -> State:
        """Everything as of a revision."""
        found = {key: self.at(key, revision) for key in self._of}
        return {key: (v.revision, v.value or "") for key, v in found.items() if v is not None}

    def stream(self, after: int, upto: int, tier: str) -> list[Event]:
        """What a watch must tell of the changes after one revision and up to another."""
        events = []
        for version in self.versions:
            if not after < version.revision <= upto:
                continue
            before = self.at(version.key, version.revision - 1)
            was = before is not None and (not tier or before.tier == tier)
            now = version.value is not None and (not tier or version.tier == tier)
            if now:
                kind = "MODIFIED" if was else "ADDED"
                events.append(Event(kind, version.key, version.revision, version.value or ""))
            elif was and before is not None:
                events.append(Event("DELETED", version.key, version.revision, before.value or ""))
        return events
