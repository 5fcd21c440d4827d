"""What a run finds changed by hand is told apart from what it changes because something else has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.cluster.condition.comparison import last_comparison
from kprov.provision.cluster.drift import drift_of


def run(
    state: Path,
    name: str,
    *changed: str,
    digest: str = "one",
    whole: bool = True,
    outcome: str = "ok",
    command: str = "kprov up",
    check: bool = False,
) -> str:
    folder = state / "runs" / name
    folder.mkdir(parents=True)
    records: list[dict[str, Any]] = [{"event": "run_started", "journal": 1, "run": name, "command": command}]
    records[0]["check"] = check
    if digest:
        records.append({"event": "sources", "digest": digest, "whole": whole})
    records.append({"event": "phase_started", "title": "Start the kubelets", "hosts": ["w1"]})
    for number, task in enumerate(changed, 1):
        where = "roles/kubelet/handlers/main.yml:1" if task.startswith("Restart") else "roles/kubelet/tasks/main.yml:1"
        result = {"host": "w1", "number": number, "role": "kubelet", "task": task, "status": "changed", "where": where}
        records.append({"event": "task", **result})
    records.append({"event": "phase_finished", "title": "Start the kubelets"})
    records.append({"event": "run_finished", "outcome": outcome, "hosts": {}})
    lines = [json.dumps({"time": float(at), **record}, separators=(",", ":")) for at, record in enumerate(records, 1)]
    (folder / "journal.jsonl").write_text("\n".join(lines) + "\n")
    return name


def test_what_was_changed_by_hand_is_told(tmp_path: Path) -> None:
    run(tmp_path, "20260101T000001.000-a", "Configuration")
    run(tmp_path, "20260101T000002.000-b", "Other", outcome="failed")  # it left nothing right
    run(tmp_path, "20260101T000003.000-c", check=True)
    run(tmp_path, "20260101T000004.000-d", "Unit", whole=False)
    now = run(tmp_path, "20260101T000005.000-e", "Configuration", "Restart kubelet", "Unit")
    drift = drift_of(tmp_path, now)
    assert drift is not None and not drift.compared_only
    assert drift.since.id.endswith("-a")
    assert drift.found == (("w1", "kubelet", "Configuration"), ("w1", "kubelet", "Unit"))


def test_a_comparison_tells_it_too(tmp_path: Path) -> None:
    run(tmp_path, "20260101T000001.000-a")
    drift = drift_of(tmp_path, run(tmp_path, "20260101T000002.000-b", "Unit", check=True))
    assert drift is not None and drift.compared_only and len(drift.found) == 1


@pytest.mark.parametrize(
    "before",
    [None, {"digest": "another"}, {"digest": ""}, {"outcome": "failed"}, {"whole": False}, {"command": "kprov run"}],
)
def test_where_it_can_not_be_told_nothing_is_said(tmp_path: Path, before: dict[str, Any] | None) -> None:
    if before is not None:
        run(tmp_path, "20260101T000001.000-a", **before)
    assert drift_of(tmp_path, run(tmp_path, "20260101T000002.000-b", "Unit")) is None
    assert drift_of(tmp_path, "20260101T000009.000-none") is None


def test_the_last_comparison_of_all_machines_is_what_status_knows(tmp_path: Path) -> None:
    assert last_comparison(tmp_path) is None
    run(tmp_path, "20260101T000001.000-a", "Configuration")
    after_up = last_comparison(tmp_path, now=66.0)
    assert after_up is not None and (after_up.command, after_up.seconds, after_up.found) == ("kprov up", 60.0, ())
    run(tmp_path, "20260101T000002.000-b", "Unit", command="kprov plan", check=True)
    run(tmp_path, "20260101T000003.000-c", command="kprov plan", check=True, whole=False)
    run(tmp_path, "20260101T000004.000-d", command="kprov plan", check=True, outcome="failed")
    run(tmp_path, "20260101T000005.000-e", command="kprov certs renew")
    found = last_comparison(tmp_path)
    assert found is not None and found.run.endswith("-b") and found.hosts == ["w1"]
    assert found.as_dict()["found"] == [{"host": "w1", "role": "kubelet", "task": "Unit"}]
    run(tmp_path, "20260101T000006.000-f", outcome="unreachable")  # it has not put right what is out of reach
    newest = last_comparison(tmp_path)
    assert newest is not None and newest.run.endswith("-b")
