"""Tasks that nobody waits for (`async` with `poll: 0`): killed, not possible so, only compared."""

from __future__ import annotations

from pathlib import Path

from playbook_case import PlaybookCase, results, run_case

PLAY = """
- hosts: web
  gather_facts: false
  vars: {ansible_async_dir: "{{ playbook_dir }}/jobs"}
  tasks:
    - file: {path: "{{ out }}", state: directory}
TASKS
"""

KILLED = """
    - shell: "echo $$ $PPID > {{ out }}.part; mv {{ out }}.part {{ out }}.pids; exec sleep 600"
      async: 600
      poll: 0
      register: job
    - shell: "until test -e {{ out }}.pids; do sleep 0.02; done; kill -9 $(cat {{ out }}.pids); rm {{ out }}.pids"
    - async_status: {jid: "{{ job.ansible_job_id }}"}
      register: state
      until: state is finished
      retries: 200
      delay: 0.05
      ignore_errors: true
    - copy: {dest: "{{ out }}/log", content: "{{ state is failed }} {{ state.msg }}\\n"}
"""

NOT_BY_ITSELF = """
    - copy: {dest: "{{ out }}/never", content: a}
      async: 5
      poll: 0
"""

COMPARED = """
    - shell: "touch {{ out }}/made"
      async: 600
      poll: 0
      register: job
    - async_status: {jid: "{{ job.ansible_job_id }}"}
      register: state
      until: state is finished
      retries: 2
      delay: 0
"""


def case(tasks: str) -> PlaybookCase:
    return PlaybookCase("let_go", {"site.yml": PLAY.replace("TASKS", tasks.strip("\n"))})


def test_one_that_is_killed_is_not_taken_for_one_at_work(tmp_path: Path) -> None:
    run_case(case(KILLED), tmp_path)
    assert results(tmp_path) == {f"{host}/log": "True the job was killed before its end\n" for host in ("h1", "h2")}


def test_what_needs_the_controller_cannot_be_let_go(tmp_path: Path) -> None:
    engine = run_case(case(NOT_BY_ITSELF), tmp_path)
    assert results(tmp_path) == {}
    assert "copy can't be done with poll: 0" in engine.session("h1").state.reason


def test_in_check_mode_nothing_is_begun(tmp_path: Path) -> None:
    engine = run_case(case(COMPARED), tmp_path, check=True)
    assert engine.outcome() == "ok"
    assert not (tmp_path / "jobs").exists()
    assert results(tmp_path) == {}
