"""Plays that go to the same machines as other users, or not at all: each is connected to as its play says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from lab_machines import LabMachines

from kprov.lab.readiness import wait_until_ready

USER = "kprov-play"

SITE = """
- hosts: TWO
  remote_user: root
  tasks:
    - user: {name: USER, shell: /bin/sh}
    - file: {path: /home/USER/.ssh, state: directory, owner: USER, group: USER, mode: "0700"}
    - copy:
        src: /root/.ssh/authorized_keys
        dest: /home/USER/.ssh/authorized_keys
        remote_src: true
        owner: USER
        group: USER
        mode: "0600"
    - command: whoami
      changed_when: false
      register: first
- hosts: TWO
  remote_user: USER
  tasks:
    - command: whoami
      changed_when: false
      register: second
- hosts: TWO
  connection: local
  gather_facts: false
  tasks:
    - command: pwd
      args: {chdir: FOLDER}
      changed_when: false
      register: third
- hosts: TWO
  remote_user: root
  tasks:
    - command: whoami
      changed_when: false
      register: fourth
    - assert:
        that:
          - "[first.stdout, second.stdout, third.stdout, fourth.stdout] == ['root', 'USER', 'FOLDER', 'root']"
          - ansible_facts.user_id == 'root'
"""

REFUSED = """
- hosts: TWO
  remote_user: root
  gather_facts: false
  tasks: [{copy: {dest: /run/kprov-test-first, content: ""}}]
- hosts: FIRST
  remote_user: kprov-nobody-of-that-name
  gather_facts: false
  tasks: [{copy: {dest: /run/kprov-test-never, content: ""}}]
- hosts: TWO
  remote_user: root
  gather_facts: false
  tasks: [{copy: {dest: /run/kprov-test-last, content: ""}}]
"""

Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def two(lab: LabMachines) -> Iterator[tuple[str, str]]:
    wait_until_ready(lab.state, lab.layout.machines)  # other tests take their links and power away
    names = list(yaml.safe_load(lab.inventory.read_text())["all"]["hosts"])[:2]
    yield names[0], names[1]
    for name in names:
        lab.run(name, f"userdel -r {USER}; rm -f /run/kprov-test-*", check=False)


@pytest.fixture(params=["connections kept", "ended"])
def kprov_run(
    request: pytest.FixtureRequest,
    lab: LabMachines,
    two: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    monkeypatch.setenv("KPROV_KEEP_CONNECTIONS", "60" if request.param == "connections kept" else "0")
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    inventory = yaml.safe_load(lab.inventory.read_text())
    inventory["all"]["vars"]["state_directory"] = str(tmp_path / "state")
    del inventory["all"]["vars"]["ansible_user"]  # it would be stronger than what plays say
    (tmp_path / "hosts.yaml").write_text(yaml.safe_dump(inventory))

    def run(playbook: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "site.yml"
        for word, text in (("TWO", ",".join(two)), ("FIRST", two[0]), ("USER", USER), ("FOLDER", str(tmp_path))):
            playbook = playbook.replace(word, text)
        path.write_text(playbook)
        start = [sys.executable, "-c", "from kprov.cli.main import main; main()", "run"]
        command = [*start, str(path), "-i", str(tmp_path / "hosts.yaml")]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    return run


def test_each_play_has_its_own(lab: LabMachines, two: tuple[str, str], kprov_run: Run) -> None:
    done = kprov_run(SITE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("connecting anew, as the play") == 3
    again = kprov_run(SITE)
    assert again.returncode == 0, again.stdout + again.stderr
    assert all(f"  {name}  ok" in again.stdout and "changed 0" in again.stdout for name in two), again.stdout


def test_who_does_not_let_a_plays_user_in_is_out(lab: LabMachines, two: tuple[str, str], kprov_run: Run) -> None:
    done = kprov_run(REFUSED)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "does not let kprov-nobody-of-that-name in" in done.stdout
    there = [lab.run(name, "ls /run | grep kprov-test", check=False).split() for name in two]
    assert there == [["kprov-test-first"], ["kprov-test-first", "kprov-test-last"]]
