"""A machine's power switch: on boots its disk, off cuts the power with no word of warning."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from kprov.lab.cgroups import MachineGroup
from kprov.lab.layout import Layout
from kprov.lab.network import remove_cable
from kprov.lab.state import LabState

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, process


def supervisor_of(state: LabState, name: str) -> int | None:
    """The process that runs a machine, or None when the machine is off.

    The kernel is asked who holds the lock that a supervisor holds. To try the lock instead would be to hold it for a
    moment, in which a supervisor that starts would find the machine taken.
    """
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with open(state.machine_folder(name) / "power") as power:
            kind, _, _, _, holder = _FLOCK.unpack(fcntl.fcntl(power, fcntl.F_GETLK, question))
    except FileNotFoundError:
        return None
    return None if kind == fcntl.F_UNLCK else holder


def leader_of(state: LabState, name: str) -> int | None:
    """The machine's init as the host sees it, once the machine has all that it needs; None before."""
    try:
        leader = int((state.machine_folder(name) / "leader").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return leader if supervisor_of(state, name) and Path(f"/proc/{leader}").exists() else None


def power_on(state: LabState, name: str) -> bool:
    """Start a machine unless it runs. Returns whether it was started; it boots on its own."""
    if supervisor_of(state, name):
        return False
    cut_power(state, state.layout(), name)  # what a crash may have left would be in the way
    folder = state.machine_folder(name)
    (folder / "leader").unlink(missing_ok=True)
    command = [sys.executable, "-m", "kprov.lab.supervisor", state.name, str(state.folder.parent), name]
    group = MachineGroup(state.folder.name, f"supervisor-{name}")
    group.create()
    with open(folder / "console.log", "ab") as log:
        # A session of its own: it outlives this command and the terminal. It is in its group before it is anything
        # else: should this command be killed now, `down` waits until then, for the lab's lock is inherited so far.
        subprocess.run(
            ["setsid", "--fork", "unshare", "--mount", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            preexec_fn=group.enter,
            check=True,
        )
    return True


def cut_power(state: LabState, layout: Layout, name: str) -> bool:
    """End a machine at once, as a power cut does; its disk stays. Returns whether it was on.

    First the supervisor, which would see a death of the machine as news; then everything in the machine's group.
    """
    supervisor = supervisor_of(state, name)
    if supervisor:
        with suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGKILL)
    for group in (f"supervisor-{name}", name):
        MachineGroup(state.folder.name, group).remove()
    remove_cable(layout, name)
    shutil.rmtree(f"/run/systemd/nspawn/propagate/{layout.nspawn_name(name)}", ignore_errors=True)
    folder = state.machine_folder(name)
    with suppress(FileNotFoundError):
        Path((folder / "nspawn-lock").read_text()).unlink()
    for left in ("nspawn-lock", "leader"):
        (folder / left).unlink(missing_ok=True)
    return supervisor is not None
