"""`kprov runs`: what it lists, shows and compares."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FIRST, SECOND = "20260101T100000.000-aaaaaa", "20260101T110000.000-bbbbbb"


def write(state: Path, name: str, *records: dict[str, Any]) -> None:
    folder = state / "runs" / name
    folder.mkdir(parents=True)
    lines = [json.dumps({"time": 1767261600.0 + number, **record}) for number, record in enumerate(records)]
    (folder / "journal.jsonl").write_text("\n".join(lines) + "\n")


def task(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"event": "task", "host": "cp1", "role": "etcd", "task": name, "status": status, "message": "", **more}


BEGIN = (
    {"event": "run_started", "command": "kprov up", "by": "me@here", "pid": 1},
    {"event": "connecting", "hosts": ["cp1", "w1"]},
    {"event": "phase_started", "title": "Configure etcd", "hosts": ["cp1"]},
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two runs: one that ended, one that died."""
    write(
        tmp_path,
        FIRST,
        *BEGIN,
        task("Unit", "changed", diff="--- a\n+++ b\n+line\n"),
        task("Folder", "ok"),
        {"event": "phase_finished", "title": "Configure etcd"},
        {"event": "run_finished", "outcome": "ok", "hosts": {"cp1": {"ok": 1, "changed": 1}, "w1": {"ok": 0}}},
    )
    write(
        tmp_path,
        SECOND,
        *BEGIN,
        task("Unit", "ok"),
        {"event": "sent", "host": "cp1", "number": 2, "role": "etcd", "task": "Folder"},
    )
    return tmp_path


@pytest.fixture
def runs(kprov: Callable[..., Any], state: Path) -> Callable[..., Any]:
    """`kprov runs VERB ...` on these."""
    return lambda verb, *rest: kprov("runs", verb, "--state-directory", state, *rest)


def test_list(runs: Callable[..., Any], tmp_path: Path, kprov: Callable[..., Any]) -> None:
    done = runs("list")
    rows = [re.split(" {3,}", line) for line in done.out.splitlines()]
    assert done.code == 0 and [row[0] for row in rows] == ["RUN", FIRST, SECOND]
    assert [row[3] for row in rows[1:]] == ["ok", "died"]
    assert rows[1][4:7] == ["2", "1", "0"] and len(runs("list", "-n", "1").out.splitlines()) == 2
    events = [json.loads(line) for line in runs("list", "--output", "json").out.splitlines()]
    assert [event["event"] for event in events] == ["run", "run", "summary"] and events[1]["outcome"] == "died"
    assert "no run is remembered" in kprov("runs", "list", "--state-directory", tmp_path / "none").out


def test_show(runs: Callable[..., Any]) -> None:
    text = runs("show").out
    assert "died" in text and "did not end" in text and "In flight when it ended" in text
    assert "cp1  Configure etcd: etcd: Folder" in text and "journal.jsonl" in text
    text = runs("show", "aaaa", "--diff").out
    assert "changed      cp1  etcd: Unit" in text and "      +line" in text and "1 task found nothing to do" in text
    assert "ok           cp1  etcd: Folder" in runs("show", FIRST, "-v").out
    assert "etcd: Unit" not in runs("show", FIRST, "--host", "w1").out
    events = [json.loads(line) for line in runs("show", "--output", "json").out.splitlines()]
    assert [event["event"] for event in events] == ["phase", "task", "in_flight", "summary"]


def test_diff(runs: Callable[..., Any]) -> None:
    text = runs("diff").out
    assert "changed -> ok" in text and "ok -> in flight" in text
    assert "every task ended the same way" in runs("diff", SECOND, "last").out
    events = [json.loads(line) for line in runs("diff", "--output", "json").out.splitlines()]
    assert [event["event"] for event in events] == ["difference", "difference", "summary"]
    assert not events[-1]["same"]


def test_mistakes(runs: Callable[..., Any], kprov: Callable[..., Any], inventory_file: Path) -> None:
    for arguments in (["show", "zz"], ["show", "2026"], ["diff", FIRST, "x"], ["prune"]):
        done = runs(*arguments)
        assert done.code == 2 and "Traceback" not in done.err, arguments
    assert kprov("runs", "show", "-i", inventory_file).code == 2
    assert runs("diff", FIRST, FIRST).code == 0


def test_prune(runs: Callable[..., Any], state: Path) -> None:
    assert runs("prune", "--keep", "1").out == f"forgot {FIRST}\n"
    assert [path.name for path in (state / "runs").iterdir()] == [SECOND]
    assert "nothing to forget" in runs("prune", "--keep", "1").out
