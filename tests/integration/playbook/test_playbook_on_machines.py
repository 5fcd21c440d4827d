"""A playbook with a role, on two machines: services, users, other users' rights, results of other machines."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from lab_machines import LabMachines

from kprov.lab.readiness import wait_until_ready

UNIT = """
[Unit]
Description={{ description }}
[Service]
ExecStart=/bin/sleep {{ seconds }}
"""

TASKS = """
- name: Unit
  template: {src: unit.j2, dest: /etc/systemd/system/kprov-test.service, mode: "0644"}
  notify: Restart the service
- name: Runs
  service: {name: kprov-test, state: started, daemon_reload: true}
- name: Its process
  command: systemctl show -p MainPID --value kprov-test
  register: process
  changed_when: false
"""

HANDLERS = """
- name: Restart the service
  systemd: {name: kprov-test, state: restarted, daemon_reload: true}
"""

SITE = """
- hosts: TWO
  serial: "100%"
  vars: {description: "A test of {{ inventory_hostname }}"}
  pre_tasks:
    - user: {name: kprov-test, shell: /bin/sh}
    - copy: {dest: /home/kprov-test/mine, content: "of {{ ansible_hostname }}"}
      become: true
      become_user: kprov-test
  roles: [sleeper]
  tasks:
    - copy:
        dest: /tmp/kprov-test-all
        content: "{% for h in ansible_play_hosts %}{{ h }} {{ hostvars[h].process.stdout | int > 0 }}\\n{% endfor %}"
    - shell: echo {{ inventory_hostname }} >> /tmp/kprov-test-first
      args: {creates: "/tmp/kprov-test-{{ inventory_hostname }}"}
      delegate_to: FIRST
      throttle: 1
      when: fresh | default(false)
    - block:
        - command: test {{ inventory_hostname }} = FIRST
          changed_when: false
      rescue:
        - copy: {dest: /tmp/kprov-test-rescued, content: "{{ ansible_failed_result.rc }}"}
"""

CLEAN = """
- hosts: TWO
  gather_facts: false
  tasks:
    - service: {name: kprov-test, state: stopped}
      failed_when: false
    - file: {path: "{{ item }}", state: absent}
      loop:
        - /etc/systemd/system/kprov-test.service
        - /tmp/kprov-test-all
        - /tmp/kprov-test-first
        - /tmp/kprov-test-rescued
    - user: {name: kprov-test, state: absent, remove: true}
    - systemd: {daemon_reload: true}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def two(lab: LabMachines) -> tuple[str, str]:
    wait_until_ready(lab.state, lab.layout.machines)  # other tests take their links and power away
    names = list(yaml.safe_load(lab.inventory.read_text())["all"]["hosts"])
    return names[0], names[1]


@pytest.fixture
def kprov_run(lab: LabMachines, two: tuple[str, str], tmp_path: Path) -> Iterator[Run]:
    role = tmp_path / "roles" / "sleeper"
    for name, text in (
        ("tasks/main.yml", TASKS),
        ("handlers/main.yml", HANDLERS),
        ("templates/unit.j2", UNIT),
        ("defaults/main.yml", "seconds: 1000\n"),
    ):
        (role / name).parent.mkdir(parents=True, exist_ok=True)
        (role / name).write_text(text.lstrip())
    inventory = yaml.safe_load(lab.inventory.read_text())
    inventory["all"]["vars"]["state_directory"] = str(tmp_path / "state")
    (tmp_path / "hosts.yaml").write_text(yaml.safe_dump(inventory))

    def run(playbook: str, *options: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "site.yml"
        path.write_text(playbook.replace("TWO", ",".join(two)).replace("FIRST", two[0]))
        start = [sys.executable, "-c", "from kprov.cli.main import main; main()", "run"]
        command = [*start, str(path), "-i", str(tmp_path / "hosts.yaml"), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    yield run
    cleaned = run(CLEAN)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr


def test_it_is_done_and_the_second_time_changes_nothing(lab: LabMachines, two: tuple[str, str], kprov_run: Run) -> None:
    first, second = two
    # As with Ansible: a rehearsal makes no user, so there is none to become where none was before.
    looked = kprov_run(SITE, "--check")
    assert looked.returncode == 1, looked.stdout + looked.stderr
    assert looked.stdout.count("there is no user 'kprov-test' on this machine to become") == len(two)
    for name in two:
        assert re.search(rf"^ +{name} +ok 0 +changed 1 +failed 1 +skipped 0$", looked.stdout, re.MULTILINE)
        assert lab.run(name, "id -u kprov-test", check=False) == ""
    # Without that: a service whose unit the rehearsal did not write is one that would be started.
    rootly = SITE.replace("become_user: kprov-test", "become_user: root")
    looked = kprov_run(rootly, "--check")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    for name in two:
        assert f"{name}: changed: sleeper: Runs" in looked.stdout, looked.stdout
    assert lab.run(first, "test -e /etc/systemd/system/kprov-test.service || echo no").strip() == "no"
    done = kprov_run(SITE, "-e", "fresh=true")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in two:
        assert lab.run(name, "systemctl is-active kprov-test").strip() == "active"
        assert lab.run(name, "stat -c %U /home/kprov-test/mine").strip() == "kprov-test"
        assert lab.run(name, "cat /tmp/kprov-test-all") == f"{first} True\n{second} True\n"
    assert sorted(lab.run(first, "cat /tmp/kprov-test-first").split()) == sorted(two)
    assert lab.run(second, "cat /tmp/kprov-test-rescued") == "1"
    assert lab.run(first, "ls /tmp/kprov-test-rescued", check=False) == ""
    again = kprov_run(SITE)
    assert again.returncode == 0 and "nothing to change" in again.stdout, again.stdout
    process = lab.run(first, "systemctl show -p MainPID --value kprov-test")
    changed = kprov_run(SITE, "-e", "seconds=2000", "-l", first, "--diff")
    assert changed.returncode == 0 and "+ExecStart=/bin/sleep 2000" in changed.stdout
    assert lab.run(first, "systemctl show -p MainPID --value kprov-test") != process
    assert "1000" in lab.run(second, "cat /etc/systemd/system/kprov-test.service")
