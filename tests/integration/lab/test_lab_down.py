"""After `kprov lab down` nothing of a lab is left, whatever state it was in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab_machines import LabMachines
from lab_traces import network_namespaces, traces

from kprov.lab import lifecycle
from kprov.lab.layout import Layout
from kprov.lab.power import leader_of, supervisor_of
from kprov.lab.state import LabState

Lab = tuple[LabState, Layout, Path]


def test_down_leaves_nothing(own_lab: Lab) -> None:
    state, layout, folder = own_lab
    inventory = folder / "lab.yaml"
    assert traces("test") == {}
    lifecycle.up(state, layout, inventory)
    machines = LabMachines(state, layout, inventory)
    # what a cluster leaves running: processes in groups of their own, namespaces, mounts
    machines.run("cp1", "ip netns add pod && mount -t tmpfs tmpfs /mnt && systemd-run --unit=busy sleep 1000")
    namespaces = {str(Path(f"/proc/{leader_of(state, each.name)}/ns/net").readlink()) for each in layout.machines}
    assert set(traces("test")) >= {"cgroups", "files", "links", "processes", "tables"}
    lifecycle.down(state)
    assert traces("test") == {}
    assert not inventory.exists()
    assert not namespaces & network_namespaces()


def test_down_may_be_run_again(own_lab: Lab) -> None:
    state, _, _ = own_lab
    assert lifecycle.down(state) is False
    assert lifecycle.down(state) is False


def test_an_up_that_was_killed_is_continued_or_removed(own_lab: Lab) -> None:
    state, layout, folder = own_lab
    inventory = folder / "lab.yaml"
    code = (
        "import sys; from pathlib import Path\n"
        "from kprov.lab import lifecycle; from kprov.lab.layout import lay_out; from kprov.lab.state import LabState\n"
        f"lifecycle.up(LabState('test'), lay_out(name='test', subnet={layout.subnet!r}, control_planes=1, workers=1,"
        f" releases=('13',)), Path({str(inventory)!r}))"
    )
    for again in (lambda: lifecycle.down(state), lambda: lifecycle.up(state, layout, inventory)):
        process = subprocess.Popen([sys.executable, "-c", code])
        end = time.monotonic() + 60
        while "processes" not in traces("test"):  # the first machine is on its way
            assert time.monotonic() < end, "no machine was started"
            assert process.poll() in (None, 0)
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        again()
        if state.load() is None:
            assert traces("test") == {}
    machines = LabMachines(state, layout, inventory)
    assert [machines.run(each.name, "hostname").strip() for each in layout.machines] == ["cp1", "w1"]
    lifecycle.down(state)
    assert traces("test") == {}


def test_a_machine_whose_supervisor_was_killed_is_started_anew(own_lab: Lab) -> None:
    state, layout, folder = own_lab
    lifecycle.up(state, layout, folder / "lab.yaml")
    before = leader_of(state, "cp1")
    supervisor = supervisor_of(state, "cp1")
    assert supervisor
    os.kill(supervisor, signal.SIGKILL)
    end = time.monotonic() + 60
    while supervisor_of(state, "cp1"):
        assert time.monotonic() < end, "a killed supervisor still holds the machine"
        time.sleep(0.01)
    lifecycle.start(state, ["cp1"])
    assert leader_of(state, "cp1") not in (None, before)
    assert len([each for each in traces("test")["processes"] if "systemd-nspawn" in each]) == len(layout.machines)
