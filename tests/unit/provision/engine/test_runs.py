"""Journals read back: what was done and what was in flight, whatever a journal ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.provision.engine import Engine
from kprov.provision.engine.journal import new_run_id
from kprov.provision.engine.journal_reader import JournalReader, read_run, read_summary
from kprov.provision.engine.run_comparison import compare
from kprov.provision.engine.run_history import NoSuchRun, find_run, list_runs, prune, run_folders
from kprov.provision.engine.runs import Run

ROLE = """
- name: One
  copy: {content: "{{ colour }}", dest: "{{ out }}/one"}
- name: Two
  command: "{{ second }}"
- name: Three
  copy: {content: x, dest: "{{ out }}/three"}
"""


def run_of(workshop: Any, *hosts: Any, second: str = "true", colour: str = "red", **options: Any) -> Run:
    """A run of the role, read back."""
    workshop.role(ROLE)
    engine = workshop.engine(*hosts, command_line="kprov up", **options)
    engine.run_role("r", list(engine.inventory.hosts), variables={"second": second, "colour": colour})
    engine.close()
    return read_run(engine.journal.path.parent)


def written(folder: Path, *records: dict[str, Any], tail: bytes = b"") -> Run:
    """A journal of these records, read."""
    folder.mkdir(parents=True)
    lines = b"".join(json.dumps({"time": 100.0 + n, **record}).encode() + b"\n" for n, record in enumerate(records))
    (folder / "journal.jsonl").write_bytes(lines + tail)
    return read_run(folder)


EVENTS = [name.removeprefix("_on_") for name in vars(JournalReader) if name.startswith("_on_")] + ["take", "finish"]
FIELDS = ["time", "host", "hosts", "number", "tasks", "role", "task", "status", "title", "outcome", "pid", "state"]
STARTED = {"event": "run_started", "command": "kprov up", "by": "me@here", "pid": 7}
PHASE = {"event": "phase_started", "title": "P", "hosts": ["h"]}


def sent(number: int, host: str = "h") -> dict[str, Any]:
    return {"event": "sent", "host": host, "number": number, "role": "r", "task": f"T{number}"}


def result(number: int, status: str = "changed", host: str = "h") -> dict[str, Any]:
    return {**sent(number, host), "event": "task", "status": status, "message": "", "seconds": 0.1}


class TestWhatARunTells:
    def test_its_tasks_by_phase_and_host(self, workshop: Any, host: Any) -> None:
        run = run_of(workshop, host("h1"), host("h2"), diff=True)
        assert run.outcome == "ok" and run.hosts == ["h1", "h2"] and run.command == "kprov up" and run.error == ""
        assert [phase.title for phase in run.phases] == ["r"] and run.phases[0].seconds is not None
        assert [(t.task, t.status) for t in run.tasks() if t.host == "h1"] == [
            ("One", "changed"),
            ("Two", "changed"),
            ("Three", "changed"),
        ]
        assert "+red" in next(run.tasks()).diff
        assert run.in_flight == {} and run.total("changed") == 6 and run.unreadable == 0

    def test_what_a_failure_kept_from_being_done_is_not_in_flight(self, workshop: Any) -> None:
        run = run_of(workshop, second="false")
        assert run.outcome == "failed" and run.in_flight == {}
        assert [(t.task, t.status) for t in run.tasks()] == [("One", "changed"), ("Two", "failed")]

    def test_a_summary_says_the_same(self, workshop: Any, host: Any) -> None:
        whole = run_of(workshop, host("h1"), host("h2"))
        short = read_summary(whole.folder)
        assert short.phases == [] and short.hosts == ["h1", "h2"]
        for name in ("id", "outcome", "command", "started", "ended", "counts", "by", "pid", "check"):
            assert getattr(short, name) == getattr(whole, name), name

    def test_what_could_not_be_sent_after_all_is_not_in_flight(self, workshop: Any) -> None:
        for tasks in (
            "- name: Bad\n  command: 'false'\n- name: Retried\n  command: 'true'\n  until: true\n",
            "- name: Retried\n  command: 'true'\n  until: true\n  retries: '{{ nothing }}'\n",
        ):
            workshop.role(tasks)
            engine = workshop.engine()
            engine.run_role("r", ["h1"])
            engine.close()
            run = read_run(engine.journal.path.parent)
            assert run.outcome == "failed" and run.in_flight == {}, run.in_flight

    def test_a_run_that_only_compares(self, workshop: Any) -> None:
        run = run_of(workshop, check=True)
        assert run.check and all(task.check for task in run.tasks() if task.status == "changed")

    def test_calls_of_procedures(self, workshop: Any) -> None:
        engine = workshop.engine()
        with engine.phase("Calls", ["h1"]):
            engine.module_all({"h1": [("stat", {"path": "/nowhere"}), ("command", {"argv": ["true"]})]})
        engine.close()
        run = read_run(engine.journal.path.parent)
        assert [(t.phase, t.task, t.status) for t in run.tasks()] == [
            ("Calls", "stat /nowhere", "ok"),
            ("Calls", "command true", "changed"),
        ]
        assert run.in_flight == {}

    def test_an_error_that_ends_it_makes_it_failed(self, workshop: Any) -> None:
        engine = workshop.engine()
        with pytest.raises(ValueError, match="broken"), engine:
            raise ValueError("broken")
        run = read_run(engine.journal.path.parent)
        assert run.outcome == "failed" and run.error == "ValueError: broken"

    def test_ctrl_c(self, workshop: Any) -> None:
        engine = workshop.engine()
        with pytest.raises(KeyboardInterrupt), engine:
            raise KeyboardInterrupt
        assert read_run(engine.journal.path.parent).outcome == "interrupted"

    def test_under_way_and_dead(self, workshop: Any) -> None:
        engine: Engine = workshop.engine()
        folder = engine.journal.path.parent
        assert read_run(folder).outcome == read_summary(folder).outcome == "running"
        copied = folder.parent / "20200101T000000.000-abcdef"
        copied.mkdir()
        (copied / "journal.jsonl").write_bytes(engine.journal.path.read_bytes())
        assert read_run(copied).outcome == "died"


class TestJournalsThatEndAnywhere:
    def test_sent_and_not_answered(self, tmp_path: Path) -> None:
        run = written(tmp_path / "r", STARTED, PHASE, sent(1), sent(2), sent(3), result(1))
        assert run.outcome == "died" and run.ended == 105.0
        assert [task.task for task in run.in_flight["h"]] == ["T2", "T3"]
        assert run.phases[0].seconds is None and run.counts["h"]["changed"] == 1

    def test_a_torn_line(self, tmp_path: Path) -> None:
        run = written(tmp_path / "r", STARTED, PHASE, sent(1), tail=b'{"time":1,"event":"task","host":"h","numb')
        assert run.unreadable == 1 and [task.task for task in run.in_flight["h"]] == ["T1"]
        assert list(run.tasks()) == []

    def test_results_without_numbers_answer_in_order(self, tmp_path: Path) -> None:
        old = {"event": "sent", "host": "h", "role": "r", "task": "Same"}
        run = written(tmp_path / "r", STARTED, PHASE, old, old, {**old, "event": "task", "status": "ok"})
        assert len(run.in_flight["h"]) == 1 and len(list(run.tasks())) == 1

    def test_nothing_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        run = read_run(tmp_path / "empty")
        assert run.outcome == "died" and run.warnings
        (tmp_path / "empty/journal.jsonl").touch()
        assert read_summary(tmp_path / "empty").outcome == "died"

    def test_a_rehearsal_was_not_done(self, tmp_path: Path) -> None:
        rehearsal = {**PHASE, "rehearsal": True}
        run = written(tmp_path / "r", STARTED, rehearsal, sent(1), {**result(1), "check": True})
        assert list(run.tasks()) == [] and run.counts == {}

    @settings(max_examples=150, deadline=None)
    @given(data=st.binary(max_size=300), cut=st.integers(0, 400))
    def test_whatever_it_holds(self, tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int) -> None:
        folder = tmp_path_factory.mktemp("any") / "r"
        whole = written(folder, STARTED, PHASE, sent(1), result(1))
        text = whole.journal_path.read_bytes()
        whole.journal_path.write_bytes(text[:cut] + data)
        for found in (read_run(folder), read_summary(folder)):
            assert found.outcome in ("died", "ok", "failed", "unreachable", "locked", "interrupted")

    @settings(max_examples=150, deadline=None)
    @given(
        event=st.sampled_from(EVENTS),
        values=st.dictionaries(
            st.sampled_from(FIELDS),
            st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers() | st.text(max_size=3), max_size=3)
            | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2) | st.floats(),
        ),
    )  # fmt: skip
    def test_records_of_wrong_shapes(
        self, tmp_path_factory: pytest.TempPathFactory, event: str, values: dict[str, Any]
    ) -> None:
        run = written(tmp_path_factory.mktemp("odd") / "r", STARTED, sent(1), {**values, "event": event}, result(1))
        assert run.seconds >= 0 and run.total("changed") >= 0


class TestHistory:
    def test_by_id_beginning_end_and_last(self, workshop: Any) -> None:
        first, second = run_of(workshop), run_of(workshop)
        state = workshop.folder / "state"
        assert [run.id for run in list_runs(state)] == [first.id, second.id]
        for name in (first.id, first.id[:-1], first.id.rpartition("-")[2]):
            assert find_run(state, name).id == first.id
        assert find_run(state, "last").id == second.id
        with pytest.raises(NoSuchRun, match="2 runs begin with"):
            find_run(state, first.id[:8])
        with pytest.raises(NoSuchRun, match="no run begins with 'x'"):
            find_run(state, "x")
        with pytest.raises(NoSuchRun, match="no run is remembered"):
            find_run(workshop.folder / "nowhere", "last")

    def test_ids_are_in_the_order_of_time(self) -> None:
        ids = [new_run_id() for _ in range(50)]
        assert [i.rpartition("-")[0] for i in ids] == sorted(i.rpartition("-")[0] for i in ids)

    def test_old_ones_are_forgotten_and_running_ones_stay(self, workshop: Any) -> None:
        state = workshop.folder / "state"
        running = workshop.engine()
        later = [run_of(workshop).id for _ in range(3)]
        assert prune(state, 1) == later[:2]
        assert [path.name for path in run_folders(state)] == [running.run_id, later[2]]

    def test_each_run_forgets_at_its_end(self, workshop: Any) -> None:
        engine = workshop.engine()
        engine.inventory.cluster.runs_kept = 2
        engine.close()
        for _ in range(3):
            engine = workshop.engine()
            engine.inventory.cluster.runs_kept = 2
            engine.close()
        assert len(run_folders(workshop.folder / "state")) == 2


class TestComparison:
    def test_tasks_whose_end_differs(self, workshop: Any) -> None:
        first = run_of(workshop)
        second = run_of(workshop, second="false")
        found = compare(first, second)
        assert [(d.host, d.task, d.before, d.after) for d in found.differences] == [
            ("h1", "One", "changed", "ok"),
            ("h1", "Two", "changed", "failed"),
            ("h1", "Three", "changed", ""),
        ]
        assert compare(first, first).same

    def test_hosts_of_one_alone_and_what_was_in_flight(self, tmp_path: Path, workshop: Any, host: Any) -> None:
        one = run_of(workshop, host("h1"))
        two = run_of(workshop, host("h1"), host("h2"))
        found = compare(one, two)
        assert found.hosts_only_after == ["h2"] and {d.host for d in found.differences} == {"h1", "h2"}
        died = written(tmp_path / "x", STARTED, PHASE, sent(1))
        done = written(tmp_path / "y", STARTED, PHASE, sent(1), result(1))
        assert [(d.before, d.after) for d in compare(died, done).differences] == [("in flight", "changed")]
