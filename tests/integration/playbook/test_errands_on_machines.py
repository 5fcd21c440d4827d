"""What takes several words with a machine: started anew, waited for, files brought from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lab_machines import LabMachines

from kprov.lab.readiness import wait_until_ready

REBOOT = """
- hosts: MACHINE
  gather_facts: false
  tasks:
    - {command: cat /proc/sys/kernel/random/boot_id, register: before}
    - {reboot: {reboot_timeout: 60}, register: done}
    - {command: cat /proc/sys/kernel/random/boot_id, register: after}
    - assert: {that: [done.rebooted, done.changed, before.stdout != after.stdout]}
    - {fetch: {src: /etc/hostname, dest: brought}}
    - {reboot: {test_command: "false", reboot_command: "true", reboot_timeout: 3}, register: wrong, ignore_errors: true}
    - assert: {that: [wrong is failed, "'has not gone down' in wrong.msg"]}
    - {command: hostname, changed_when: false}
"""

WAIT = """
- hosts: MACHINE
  gather_facts: false
  tasks:
    - {wait_for_connection: {timeout: 60, connect_timeout: 2}}
    - {copy: {dest: /run/kprov-test-waited, content: "{{ ansible_hostname }}"}}
"""


@pytest.fixture
def machine(lab: LabMachines) -> str:
    wait_until_ready(lab.state, lab.layout.machines)  # other tests take their links and power away
    return str(list(yaml.safe_load(lab.inventory.read_text())["all"]["hosts"])[-1])


def command(lab: LabMachines, folder: Path, machine: str, text: str) -> list[str]:
    inventory = yaml.safe_load(lab.inventory.read_text())
    inventory["all"]["vars"]["state_directory"] = str(folder / "state")
    (folder / "hosts.yaml").write_text(yaml.safe_dump(inventory))
    (folder / "site.yml").write_text(text.replace("MACHINE", machine))
    start = [sys.executable, "-c", "from kprov.cli.main import main; main()", "run"]
    return [*start, str(folder / "site.yml"), "-i", str(folder / "hosts.yaml")]


def test_started_anew(lab: LabMachines, machine: str, tmp_path: Path) -> None:
    done = subprocess.run(command(lab, tmp_path, machine, REBOOT), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / f"brought/{machine}/etc/hostname").read_text() == lab.run(machine, "cat /etc/hostname")


def test_waited_for_before_it_is_there(lab: LabMachines, machine: str, tmp_path: Path) -> None:
    lab.stop(machine)
    line = [*command(lab, tmp_path, machine, WAIT), "--timeout", "connect=1s"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            said = next((each for each in process.stdout if "awaited" in each), "")
        finally:
            lab.start(machine)
        rest, _ = process.communicate(timeout=90)
    assert f"{machine}: awaited" in said, rest
    assert process.returncode == 0, rest
    assert lab.run(machine, "cat /run/kprov-test-waited").strip() == machine
    lab.run(machine, "rm /run/kprov-test-waited")
