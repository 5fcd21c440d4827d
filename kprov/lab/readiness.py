"""Waiting until machines answer on SSH, and telling what is missing when they do not."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from pathlib import Path

from kprov.lab.errors import LabError
from kprov.lab.layout import Machine
from kprov.lab.power import leader_of, supervisor_of
from kprov.lab.state import LabState


def what_is_missing(state: LabState, machine: Machine, *, timeout: float = 1.0) -> str | None:
    """What a machine still lacks before a user can log in, or None when it has everything."""
    if supervisor_of(state, machine.name) is None:
        return "it is off"
    leader = leader_of(state, machine.name)
    if leader is None:
        return "its init has not started"
    try:
        with socket.create_connection((machine.address, 22), timeout=timeout) as connection:
            banner = connection.recv(64)
    except OSError as error:
        return f"sshd does not answer on {machine.address}:22 ({error})"
    if not banner.startswith(b"SSH-"):
        return f"what answers on {machine.address}:22 is not sshd"
    if Path(f"/proc/{leader}/root/run/nologin").exists():
        return "it is still booting and lets only root in"
    return None


def _last_words(state: LabState, name: str) -> str:
    try:
        lines = (state.machine_folder(name) / "console.log").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "".join(f"\n      {line}" for line in lines[-5:])


def wait_until_ready(state: LabState, machines: Iterable[Machine], *, deadline: float = 90.0) -> None:
    """Return when every machine lets users in. Raises LabError saying, by machine, what was missing at the end.

    Args:
        state: the lab's state.
        machines: which machines to wait for.
        deadline: seconds for all of them together.
    """
    end = time.monotonic() + deadline
    waiting = list(machines)
    while waiting:
        missing = {machine: what_is_missing(state, machine) for machine in waiting}
        waiting = [machine for machine, what in missing.items() if what]
        if waiting and time.monotonic() > end:
            report = "".join(
                f"\n  {machine.name}: {missing[machine]}{_last_words(state, machine.name)}" for machine in waiting
            )
            raise LabError(f"not ready after {deadline:.0f} s:{report}")
        if waiting:
            time.sleep(0.05)
