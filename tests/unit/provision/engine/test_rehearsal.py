"""A rehearsal compares and is forgotten; machines that are left alone fail where they would be changed."""

from __future__ import annotations

from typing import Any

from kprov.provision.engine import Result
from kprov.provision.engine.journal_reader import read_run

ROLE = """
- name: Write
  copy: {content: "{{ text }}", dest: "{{ out }}/f"}
  register: written
  notify: Restart
- name: Command
  command: "touch {{ out }}/command"
- name: Fact
  set_fact: {learned: true}
"""
HANDLER = '- name: Restart\n  copy: {content: "{{ text }}", dest: "{{ out }}/handled"}\n'


def engine_of(workshop: Any, *hosts: Any, **options: Any) -> Any:
    workshop.role(ROLE, handlers=HANDLER)
    return workshop.engine(*hosts, command_line="kprov up", **options)


def test_a_rehearsal_changes_nothing_and_is_forgotten(workshop: Any) -> None:
    engine = engine_of(workshop, diff=True)
    seen: list[Result] = []
    with engine.rehearsal(lambda role, result: seen.append(result)):
        assert engine.check and engine.compares("h1")
        engine.run_role("r", ["h1"], variables={"text": "a"})
        engine.module("h1", "command", argv=["false"])
        engine.module("h1", "copy", content="x", dest="/nowhere/at/all")
    assert [(r.task, str(r.status), r.unforeseen) for r in seen[:3]] == [
        ("Write", "changed", False),
        ("Command", "skipped", True),
        ("Fact", "ok", False),
    ]
    assert "+a" in seen[0].diff
    assert not list((workshop.out / "h1").iterdir()) and workshop.reporter.results == []
    assert not engine.check and not engine.compares("h1") and engine.outcome() == "ok"
    assert engine.summary()["h1"].ok == 0 and not (workshop.folder / "state/pending_handlers.jsonl").exists()
    done = engine.run_role("r", ["h1"], variables={"text": "a"})
    assert done.counts["h1"].changed == 3 and workshop.file("handled") == "a"
    engine.close()
    run = read_run(engine.journal.path.parent)
    assert run.total("changed") == 3 and [phase.rehearsal for phase in run.phases if phase.title] == [True, False]


def test_a_machine_that_is_left_alone(workshop: Any, host: Any) -> None:
    engine = engine_of(workshop, host("h1"), host("h2"))
    engine.run_role("r", ["h1", "h2"], variables={"text": "a"})
    (workshop.out / "h1/f").write_text("drifted")
    with engine.left_alone(["h1"]):
        assert engine.compares("h1") and not engine.compares("h2")
        done = engine.run_role("r", ["h1", "h2"], variables={"text": "a"})
    assert list(done.failed) == ["h1"] and "the plan does not say" in done.failed["h1"].message
    assert workshop.file("f") == "drifted" and done.counts["h2"].failed == 0
    assert [alive.name for alive in engine.alive()] == ["h2"] and engine.outcome() == "failed"
    engine.close()
    assert "h1" not in (workshop.folder / "state/pending_handlers.jsonl").read_text()


def test_calls_and_records_of_a_machine_that_is_left_alone(workshop: Any) -> None:
    engine = engine_of(workshop)
    with engine.left_alone(["h1"]), engine.phase("P", ["h1"]) as phase:
        assert engine.module("h1", "copy", content="x", dest=str(workshop.out / "h1/call")).failed
        assert not (workshop.out / "h1/call").exists()
        engine.forgive("h1")
        phase.record("h1", "Something of the controller's", changed=True)
    assert engine.state["h1"].state == "failed"


def test_handlers_that_are_due_stay_due_when_nothing_is_done(workshop: Any) -> None:
    workshop.role(ROLE + "- name: Bad\n  command: 'false'\n", handlers=HANDLER)
    engine = workshop.engine()
    engine.run_role("r", ["h1"], variables={"text": "a"})
    engine.close()
    pending = (workshop.folder / "state/pending_handlers.jsonl").read_text()
    assert "Restart" in pending
    engine = engine_of(workshop)
    with engine.rehearsal(lambda role, result: None):
        engine.run_role("r", ["h1"], variables={"text": "a"})
    engine.close()
    assert (workshop.folder / "state/pending_handlers.jsonl").read_text() == pending
