"""The lab's machines keep their disks, and answer after reboots and power cuts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from lab_machines import LabMachines

from kprov.lab import lifecycle
from kprov.lab.errors import LabError
from kprov.lab.layout import Layout
from kprov.lab.power import leader_of
from kprov.lab.readiness import wait_until_ready
from kprov.lab.state import LabState

Lab = tuple[LabState, Layout, Path]


def test_machines_are_bare_whole_and_fenced(own_lab: Lab) -> None:
    state, layout, folder = own_lab
    lifecycle.up(state, layout, folder / "lab.yaml")
    machines = LabMachines(state, layout, folder / "lab.yaml")
    for machine in layout.machines:
        assert machines.run(machine.name, "hostname").strip() == machine.name
        assert machines.run(machine.name, "systemctl is-system-running --wait").strip() == "running"
        assert machines.run(machine.name, "sudo id -un", user="debian").strip() == "root"
        assert machines.run(machine.name, "echo lab | sudo -S -p '' id -un", user="ops").strip() == "root"
        assert machines.run(machine.name, "ls /opt /etc/kubernetes 2>/dev/null", check=False).strip() == "/opt:"
        refused = "import socket; print(socket.socket().connect_ex(('192.0.2.80', 80)))"
        assert machines.run(machine.name, f'timeout 5 python3 -c "{refused}"').strip() == "111"
        # containers need controllers that they may write to
        machines.run(
            machine.name,
            "g=$(echo /sys/fs/cgroup/memory/t /sys/fs/cgroup/t); for d in $g; do "
            "if [ -e ${d%/t}/cgroup.procs ]; then mkdir $d && rmdir $d; fi; done",
        )
    ids = {machines.run(machine.name, "cat /etc/machine-id") for machine in layout.machines}
    assert len(ids) == len(layout.machines)


def test_a_power_cut_and_a_reboot_keep_the_disk(own_lab: Lab) -> None:
    state, layout, folder = own_lab
    lifecycle.up(state, layout, folder / "lab.yaml")
    machines = LabMachines(state, layout, folder / "lab.yaml")
    machines.run("cp1", "echo kept > /root/mark; echo kept > /var/lib/containerd/mark; sync")
    boot = machines.run("cp1", "cat /proc/1/stat | cut -d' ' -f22")
    machines.stop("cp1")
    assert leader_of(state, "cp1") is None
    machines.start("cp1")
    assert machines.run("cp1", "cat /root/mark /var/lib/containerd/mark").split() == ["kept", "kept"]
    assert machines.run("cp1", "cat /proc/1/stat | cut -d' ' -f22") != boot

    leader = leader_of(state, "w1")
    machines.run("w1", "echo kept > /root/mark; systemctl reboot", check=False)
    end = time.monotonic() + 60
    while leader_of(state, "w1") in (leader, None):
        assert time.monotonic() < end, "w1 did not come back after its reboot"
        time.sleep(0.05)
    wait_until_ready(state, [layout.machine("w1")])
    assert machines.run("w1", "cat /root/mark").strip() == "kept"


def test_up_again_changes_nothing(own_lab: Lab) -> None:
    state, layout, folder = own_lab
    lifecycle.up(state, layout, folder / "lab.yaml")
    before = ((folder / "lab.yaml").read_text(), [leader_of(state, machine.name) for machine in layout.machines])
    lifecycle.up(state, layout, folder / "lab.yaml")
    after = ((folder / "lab.yaml").read_text(), [leader_of(state, machine.name) for machine in layout.machines])
    assert after == before


def test_a_lab_whose_addresses_are_taken_was_never_there(own_lab: Lab, tmp_path: Path) -> None:
    state, layout, folder = own_lab
    lifecycle.up(state, layout, folder / "lab.yaml")
    other = LabState("taken", tmp_path / "other")
    with pytest.raises(LabError, match=f"{layout.subnet} is in use on this host .* by {layout.bridge}"):
        lifecycle.up(other, replace(layout, name="taken"), tmp_path / "other.yaml")
    assert other.load() is None
    assert not (tmp_path / "other.yaml").exists()
