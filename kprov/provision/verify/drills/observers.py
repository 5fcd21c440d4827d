"""The clients that are at work during a drill, and what they saw of it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from kprov.provision.verify.drills.api_reader import ApiReader
from kprov.provision.verify.drills.service_caller import Calls, ServiceCaller
from kprov.provision.verify.drills.tries import Tries, by_second, longest_pause, unanswered_span
from kprov.provision.verify.drills.watcher import Watcher
from kprov.provision.verify.session import Session
from kprov.provision.verify.writer import Writer

_WELL = 8
"""So many answers in a row show that a client is served."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a drill for its clients: figures, and what must never be ("" where it was not)."""

    figures: dict[str, Any]
    lost_writes: str
    missed_events: str


class Observers:
    """A writer, a reader and a watcher here, and one who calls the Service from a machine that is not harmed.

    Args:
        caller: None where every machine is harmed.
    """

    def __init__(self, session: Session, namespace: str, name: str, caller: ServiceCaller | None) -> None:
        self._session = session
        self._written, self._read = Tries(), Tries()
        self._apis = [session.api.anew() for _ in range(3)]
        self._writer = Writer(self._apis[0], namespace, name, seen=self._written.add)
        self._reader = ApiReader(self._apis[1], namespace, self._read)
        self._watcher = Watcher(self._apis[2], namespace, name)
        self._caller = caller
        self._calls = Calls([], 0, 0, 0)
        self._stack = ExitStack()
        self._began = time.monotonic()

    def __enter__(self) -> Observers:
        """All begin."""
        with ExitStack() as stack:
            for api in self._apis:
                stack.callback(api.close)
            for each in (self._writer, self._reader, self._watcher):
                stack.enter_context(each)
            if self._caller is not None:
                stack.callback(self._caller.stop)
                self._caller.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """All end."""
        self._stack.close()

    def unserved(self, since: float) -> str:
        """Which client was not well served since a moment; "" when all were."""
        for what, tries in (("writes", self._written), ("reads", self._read)):
            if tries.answered_since(since) < _WELL:
                return f"{what} are not answered"
        if self._caller is not None:
            last = self._caller.so_far().tries[-_WELL:]
            if len(last) < _WELL or not all(each.answered for each in last):
                return f"calls of the Service from {self._caller.machine} are not answered"
        return ""

    def end(self) -> Seen:
        """The clients stop, and what they saw is told."""
        wanted = {f"write-{number}" for number in range(self._writer.highest_acknowledged + 1)}
        missed = self._watcher.missed(wanted, patience=10)
        if self._caller is not None:
            self._calls = self._caller.so_far()
        self._stack.close()
        written, read, calls = self._written.all(), self._read.all(), self._calls
        figures: dict[str, Any] = {
            "write_gap_seconds": round(longest_pause(written), 2),
            "read_gap_seconds": round(longest_pause(read), 2),
            "service_gap_seconds": round(unanswered_span(calls.tries), 2) if self._caller else None,
            "writes": self._writer.outage.acknowledged,
            "writes_repeated": self._writer.outage.repeated,
            "writes_failed_tries": self._writer.outage.failed,
            "reads": sum(each.answered for each in read),
            "reads_failed_tries": sum(not each.answered for each in read),
            "calls": calls.calls,
            "calls_repeated": calls.repeated,
            "calls_failed": calls.failed,
            "watch_resumed": self._watcher.resumed,
            "watch_relisted": self._watcher.relisted,
            "errors": self._writer.outage.errors[:3],
            # Each second: tries that were answered, and that were not.
            "timeline": {
                "writes": by_second(written, self._began),
                "reads": by_second(read, self._began),
                "calls": by_second(calls.tries, 0.0),
            },
        }
        return Seen(figures, self._writer.lost(), missed)
