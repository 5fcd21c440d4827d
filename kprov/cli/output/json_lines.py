"""JSON for programs: one object a line as things happen, the last one a summary."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

from kprov.cli.output.base import PhaseTally, RunReporter


class JsonReporter(RunReporter):
    """Writes events. Every object has ``event`` and ``time``; the last has ``event: summary``."""

    def __init__(self, stream: TextIO, *, verb: str = "", diff: bool = True) -> None:
        super().__init__(stream)
        self.verb, self.diff = verb, diff

    def write(self, event: str, **facts: Any) -> None:
        """Write one object."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"event": event, "time": now, **facts}, default=_as_json, ensure_ascii=False)
        print(line, file=self.stream, flush=True)

    def show_run_started(self) -> None:
        self.write("run_started", run_id=self.run_id, verb=self.verb, hosts=self.hosts, check=self.check)

    def show_host_state(self, host: str, state: str, reason: str) -> None:
        self.write("host", host=host, state=state, reason=reason or None)

    def show_phase_started(self, phase: PhaseTally) -> None:
        self.write("phase_started", phase=phase.title, hosts=phase.hosts)

    def show_task_result(
        self, host: str, role: str, task: str, status: str, diff: str, message: str, duration: float
    ) -> None:
        self.write(
            "task",
            phase=self.phase.title if self.phase else None,
            host=host,
            role=role or None,
            task=task,
            status=status,
            message=message or None,
            diff=diff if diff and self.diff else None,
            seconds=round(duration, 3),
        )

    def show_phase_finished(self, phase: PhaseTally, result: Any) -> None:
        self.write(
            "phase_finished",
            phase=phase.title,
            changed=sorted(phase.changed_hosts),
            failed=phase.troubled_hosts,
            tasks=phase.counts,
            seconds=round(phase.seconds, 3),
        )

    def show_warning(self, message: str) -> None:
        self.write("warning", message=message)

    def show_waiting(self, message: str) -> None:
        self.write("waiting", message=message)

    def show_event(self, kind: str, text: str, facts: Mapping[str, Any]) -> None:
        self.write(kind, **({"message": text} if text else {}), **facts)

    def show_finish(self, exit_code: int, facts: Mapping[str, Any]) -> None:
        self.write(
            "summary",
            verb=self.verb,
            run_id=self.run_id or None,
            exit_code=exit_code,
            hosts=dict(self.summary),
            seconds=round(self.seconds, 3),
            **facts,
        )


def _as_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
