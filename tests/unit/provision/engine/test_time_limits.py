"""A task that hangs is ended by the machine, with what it started, and the message names the timeout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.engine import Status
from kprov.provision.inventory.timeouts import Timeouts


def is_running(pid_file: Path) -> bool:
    try:
        status = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_program_that_hangs_is_killed_with_its_children(workshop: Any) -> None:
    workshop.role(
        """
        - name: Before
          command: {argv: ["true"]}
        - name: Hangs
          shell: "sleep 1000 & echo $! > {{ out }}/child; echo $$ > {{ out }}/shell; wait"
        - name: After
          copy: {content: x, dest: "{{ out }}/after"}
        """
    )
    phase = workshop.run(timeouts=Timeouts(task=1.0))
    message = phase.failed["h1"].message
    assert "was still at work after 1 s (timeout task; a longer one: --timeout task=DURATION) and was ended" in message
    assert workshop.reporter.of("h1") == [("Before", "changed"), ("Hangs", "failed")]
    assert not (workshop.out / "h1/after").exists()
    assert not is_running(workshop.out / "h1/child")
    assert not is_running(workshop.out / "h1/shell")


@pytest.mark.parametrize(
    "task",
    [
        "wait_for: {path: /nowhere, timeout: 1000}",
        "slurp: {src: '{{ out }}/pipe'}",
    ],
    ids=["a module's own wait", "a file that never answers"],
)
def test_whatever_it_is_busy_with(workshop: Any, task: str) -> None:
    workshop.role(f"- name: Hangs\n  {task}")
    engine = workshop.engine(timeouts=Timeouts(task=1.0))
    os.mkfifo(workshop.out / "h1/pipe")
    phase = engine.run_role("r", ["h1"])
    assert "timeout task" in phase.failed["h1"].message
    # The agent is there as ever.
    assert engine.module("h1", "ping").status is Status.OK


def test_a_phase_ends_in_the_midst_of_its_tasks(workshop: Any) -> None:
    workshop.role(
        """
        - name: One
          command: {argv: [sleep, "0.1"]}
        - name: Two
          command: {argv: [sleep, "0.1"]}
        - name: Three
          command: {argv: [sleep, "1000"]}
        """
    )
    phase = workshop.run(timeouts=Timeouts(phase=1.5))
    assert phase.failed["h1"].task == "Three"
    assert "timeout phase" in phase.failed["h1"].message


def test_a_procedure_sets_its_own_limit(workshop: Any) -> None:
    engine = workshop.engine()
    results = engine.module_all(
        {"h1": [("command", {"argv": ["sleep", "1000"], "_timeout": 0.5}), ("command", {"argv": ["sleep", "0.7"]})]}
    )["h1"]
    assert [result.status for result in results] == [Status.FAILED, Status.CHANGED]


def test_a_retried_task_is_not_retried_when_its_time_is_up(workshop: Any) -> None:
    workshop.role(
        """
        - name: Hangs
          shell: "echo x >> {{ out }}/tries; sleep 1000"
          register: hung
          until: hung.rc | default(1) == 0
          retries: 5
          delay: 0
        """
    )
    phase = workshop.run(timeouts=Timeouts(task=1.0))
    assert "timeout task" in phase.failed["h1"].message
    assert workshop.file("tries") == "x\n"
