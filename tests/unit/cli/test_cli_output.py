"""The reporters, told of a small run in which one host fails and one does not answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from kprov.cli.exit_codes import ExitCode
from kprov.cli.invocation import OutputFormat, current
from kprov.cli.output import make_reporter
from kprov.cli.output.base import RunReporter
from kprov.cli.output.json_lines import JsonReporter
from kprov.cli.output.lines import task_lines
from kprov.cli.output.live import LiveReporter
from kprov.cli.output.plain import PlainReporter
from kprov.provision.engine.result import HostSummary, PhaseResult, Result, Status


def play(reporter: RunReporter) -> None:
    """A run as the engine tells it."""
    reporter.run_started("r1", ["a", "b", "c"], False)
    reporter.host_state("a", "connected", "")
    reporter.host_state("b", "connected", "")
    reporter.host_state("c", "unreachable", "timed out after 10 s")
    reporter.phase_started("Prepare machines", ["a", "b"])
    reporter.task_started("a", "base", "Write file")
    reporter.task_result("a", "base", "Write file", Status.CHANGED, "--- x\n+++ x\n+line", "", 0.1)
    reporter.task_result("a", "base", "Look", Status.OK, "", "", 0.1)
    reporter.task_result("a", "base", "Skip", Status.SKIPPED, "", "not wanted", 0.0)
    reporter.task_result("b", "base", "Write file", Status.FAILED, "", "disk full\nreally", 2.5)
    failed = Result("b", "Write file", Status.FAILED, message="disk full")
    reporter.phase_finished(PhaseResult("Prepare machines", ["a", "b"], failed={"b": failed}))
    reporter.warning("beware")
    reporter.event("note", "two of three", answered=2)
    reporter.run_finished(
        {
            "c": HostSummary(unreachable=True, reason="timed out"),
            "b": HostSummary(failed=1, reason="disk full"),
            "a": HostSummary(ok=1, changed=1, skipped=1),
        }
    )
    reporter.finish(ExitCode.FAILED, verdict="bad")
    reporter.finish(ExitCode.OK)  # only the first counts


def text_of(make: Callable[[io.StringIO], RunReporter]) -> str:
    stream = io.StringIO()
    play(make(stream))
    return stream.getvalue()


@pytest.mark.parametrize("make", [PlainReporter, lambda to: LiveReporter(to, console=Console(file=to, width=100))])
def test_what_contacts_no_machine_says_so(make: Callable[[io.StringIO], RunReporter]) -> None:
    stream = io.StringIO()
    make(stream).run_started("r1", [], False)
    assert "orking on the cluster's API" in stream.getvalue()


def test_plain() -> None:
    lines = [line.split(" (0.")[0] for line in text_of(PlainReporter).splitlines()]
    assert lines == [
        "working on 3 hosts (run r1)",
        "  c: unreachable: timed out after 10 s",
        "Prepare machines (2 hosts)",
        "  a: changed: base: Write file",
        "  b: failed: base: Write file (2.5 s)",
        "      disk full",
        "      really",
        "  1 host changed, 1 host in trouble",
        "warning: beware",
        "two of three",
        "hosts:",
        "  a  ok 1  changed 1  failed 0  skipped 1",
        "  c  ok 0  changed 0  failed 0  skipped 0  unreachable: timed out",
        "  b  ok 0  changed 0  failed 1  skipped 0: disk full",
        "something failed on a machine or on this computer",
    ]


@pytest.mark.parametrize(("verbosity", "shown"), [(0, []), (1, ["Look"]), (2, ["Look", "Skip"])])
def test_verbosity(verbosity: int, shown: list[str]) -> None:
    text = text_of(lambda stream: PlainReporter(stream, verbosity=verbosity))
    assert [task for task in ("Look", "Skip") if f"base: {task}" in text] == shown


def test_diffs_when_wanted() -> None:
    assert "+line" not in text_of(PlainReporter)
    assert "      +line" in text_of(lambda stream: PlainReporter(stream, diff=True)).splitlines()


def test_json() -> None:
    events = [json.loads(line) for line in text_of(lambda stream: JsonReporter(stream, verb="up")).splitlines()]
    assert [event["event"] for event in events] == [
        "run_started",
        *["host"] * 3,
        "phase_started",
        *["task"] * 4,
        "phase_finished",
        "warning",
        "note",
        "summary",
    ]
    assert all(event["time"].endswith("Z") for event in events)
    assert events[9]["failed"] == {"b": "disk full\nreally"}
    assert events[11]["answered"] == 2
    summary: dict[str, Any] = events[-1]
    assert (summary["exit_code"], summary["verb"], summary["run_id"], summary["verdict"]) == (1, "up", "r1", "bad")
    assert summary["hosts"]["c"] == {
        "ok": 0,
        "changed": 0,
        "failed": 0,
        "skipped": 0,
        "rescued": 0,
        "unreachable": True,
        "reason": "timed out",
        "phase": "",
        "finished": "",
        "in_flight": [],
    }


def test_live() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, height=12, color_system=None, highlight=False)
    reporter = LiveReporter(stream, console=console)
    play(reporter)
    text = stream.getvalue()
    assert "✗ Prepare machines  1 host changed, 1 host in trouble" in text
    assert "      disk full" in text
    assert "c: unreachable: timed out after 10 s" in text


def test_live_draws_only_what_fits() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=12)
    reporter = LiveReporter(io.StringIO(), console=console)
    reporter.phase_started("Many", [f"h{i}" for i in range(100)])
    try:
        reporter.task_started("h0", "r", "at work")
        paper = io.StringIO()
        Console(file=paper, width=80).print(reporter)
        drawn = paper.getvalue().splitlines()
        assert len(drawn) <= 9
        assert "at work" in drawn[1]
        assert "and 94 more" in drawn[-1]
    finally:
        reporter.close()


@pytest.mark.parametrize(("output", "kind"), [(OutputFormat.TEXT, PlainReporter), (OutputFormat.JSON, JsonReporter)])
def test_the_reporter_fits(output: OutputFormat, kind: type[RunReporter]) -> None:
    current.reset()
    current.output = output
    try:
        assert type(make_reporter(stream=io.StringIO())) is kind
    finally:
        current.reset()


def test_a_machines_words_give_the_terminal_no_orders() -> None:
    lines = list(
        task_lines("h", "", "t", "failed", "red \x1b[31m\x07 text\ttab", "+\x1b]0;title\x07\n", 0.0, show_diff=True)
    )
    assert lines[1:] == ["      red \\x1b[31m\\x07 text\ttab", "      +\\x1b]0;title\\x07"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"a": 3, "b": 0}, "done: 3 changes would be made on 1 host; nothing was changed"),
        ({"a": 0}, "done: nothing was changed"),
    ],
)
def test_a_plan_says_at_its_end_what_would_change(changed: dict[str, int], said: str) -> None:
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    reporter.run_started("r1", list(changed), check=True)
    reporter.phase_started("Prepare machines", list(changed))
    for host, number in changed.items():
        for _ in range(number):
            reporter.task_result(host, "base", "Write file", "changed", "", "", 0.1)
    reporter.phase_finished(None)
    reporter.run_finished({host: HostSummary(ok=1, changed=number) for host, number in changed.items()})
    reporter.finish(ExitCode.OK)
    lines = stream.getvalue().splitlines()
    assert lines[-1].startswith(f"{said} (")
    assert any(line.startswith("  1 host would change (") for line in lines) == any(changed.values())
