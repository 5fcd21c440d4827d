"""The run after one that did not end well knows where that one stopped, and what it left due."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from kprov.cli.run_texts import going_on, going_on_facts
from kprov.provision.engine.resumption import Resumption, left_undone

ROLE = """
- name: Write
  copy: {content: "{{ text }}", dest: "{{ out }}/f"}
  notify: Restart
- name: Wait
  command: "{{ wait }}"
- name: Last
  copy: {content: x, dest: "{{ out }}/last"}
"""
HANDLER = '- name: Restart\n  shell: "echo restarted >> {{ out }}/log"\n'


def run(workshop: Any, *, wait: str = "true", text: str = "x", **options: Any) -> None:
    workshop.role(ROLE, handlers=HANDLER)
    engine = workshop.engine(**{"command_line": "kprov up", **options})
    engine.run_role("r", ["h1"], variables={"wait": wait, "text": text}, title="The phase")
    engine.close()


def undone(workshop: Any) -> Resumption | None:
    return left_undone(workshop.folder / "state", "kprov up")


def test_after_a_run_that_ended_well_there_is_nothing(workshop: Any) -> None:
    assert undone(workshop) is None
    run(workshop, wait="false")
    run(workshop)
    assert undone(workshop) is None


def test_after_a_failure(workshop: Any) -> None:
    run(workshop, wait="false")
    run(workshop, check=True, command_line="kprov plan")  # says nothing about what was done
    workshop.engine(connect=False, command_line="kprov up").close(ValueError("refused before it began"))
    found = undone(workshop)
    assert found is not None and found.phase == "The phase" and found.run.outcome == "failed"
    assert found.stopped["h1"].task == "Wait" and found.handlers == {("h1", "r"): {"Restart"}}
    text = "\n".join(going_on(found))
    assert "failed at" in text and 'in "The phase" (phase 1)' in text and "still due: r: Restart" in text
    assert going_on_facts(found)["failed"]["h1"]["task"] == "Wait"
    run(workshop)
    assert workshop.file("log") == "restarted\n", "the handler that was due has run"


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from conftest import make_host, make_inventory
from kprov.provision.engine import Engine
folder = Path(sys.argv[2])
host = make_host("h1", out=str(folder / "out/h1"))
with Engine(make_inventory(folder, [host]), roles_path=folder / "roles", templates_path=folder / "templates",
            state_directory=folder / "state", lock=False, command_line="kprov up") as engine:
    engine.connect()
    print("connected", flush=True)
    engine.run_role("r", ["h1"], variables={"wait": "sleep 60", "text": "new"}, title="The phase")
"""


def test_after_a_kill(workshop: Any) -> None:
    run(workshop, text="old")
    program = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(workshop.folder)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert process.stdout and process.stdout.readline() == "connected\n"
    while workshop.file("f") != "new":
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = undone(workshop)
    assert found is not None and found.run.outcome == "died"
    names = [task.task for task in found.in_flight["h1"]]
    assert names[-2:] == ["Wait", "Last"]
    text = "\n".join(going_on(found))
    assert "which died at" in text and "h1: in flight was r: " in text and "in line behind" in text
    workshop.out.joinpath("h1/log").unlink()
    run(workshop, text="new")
    assert workshop.file("log") == "restarted\n", "the file was changed before the kill, the handler is run after it"
    assert undone(workshop) is None
