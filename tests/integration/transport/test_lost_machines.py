"""A machine that falls silent in the middle of a run: noticed in time, told where it was, finished by the next run."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from private_sshd import PrivateSSHD

from kprov.provision.engine import Engine
from kprov.provision.inventory import load
from kprov.provision.inventory.timeouts import Timeouts

TASKS = """
- name: Begins
  copy: {content: x, dest: "{{ out }}/begun"}
- name: Works
  shell: "test -e {{ out }}/quick || sleep 300; echo x > {{ out }}/done"
- name: Ends
  copy: {content: x, dest: "{{ out }}/ended"}
"""
SILENCE = 3.0


def descendants(process: int) -> list[int]:
    """A process's children, and theirs."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def send(server: PrivateSSHD, number: signal.Signals) -> list[int]:
    """A signal for all that a server's connections have started."""
    assert server.process is not None
    processes = descendants(server.process.pid)
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
    return processes


def until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, PrivateSSHD]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(PrivateSSHD(tmp_path / f"sshd-{name}")) for name in ("h1", "h2")}


@pytest.fixture
def inventory(tmp_path: Path, servers: dict[str, PrivateSSHD]) -> Any:
    lines = ["all:", "  hosts:"]
    for name, server in servers.items():
        (tmp_path / name).mkdir()
        lines += [
            f"    {name}:",
            "      ansible_host: 127.0.0.1",
            f"      ansible_port: {server.port}",
            "      ansible_user: root",
            "      ansible_become: false",
            f"      ansible_ssh_private_key_file: {server.client_key}",
            f"      kprov_host_key: {server.host_key()}",
            f"      kprov_lock_path: {tmp_path}/{name}.lock",
            f"      out: {tmp_path / name}",
        ]
    path = tmp_path / "inventory.yaml"
    path.write_text("\n".join(lines) + "\n")
    tasks = tmp_path / "roles" / "r" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(TASKS)
    return load(path, cluster=False)


def engine(inventory: Any, folder: Path) -> Engine:
    return Engine(
        inventory,
        roles_path=folder / "roles",
        state_directory=folder / "state",
        timeouts=Timeouts(silence=SILENCE, lock=4 * SILENCE),
    )


def test_a_silent_machine_is_given_up_in_time_and_the_others_go_on(
    tmp_path: Path, inventory: Any, servers: dict[str, PrivateSSHD]
) -> None:
    (tmp_path / "h1" / "quick").touch()
    stopped: list[float] = []

    with engine(inventory, tmp_path) as run:
        place = run.session("h2").whereabouts

        def pull_the_cable() -> None:
            until(lambda: place.finished == "Begins")  # the controller has been told
            send(servers["h2"], signal.SIGSTOP)
            stopped.append(time.monotonic())

        cable = threading.Thread(target=pull_the_cable)
        run.connect()
        cable.start()
        phase = run.run_role("r", ["h1", "h2"], title="The work")
        noticed = time.monotonic() - stopped[0]
        summary = run.summary()["h2"]
        assert run.outcome() == "unreachable"
    cable.join()

    assert noticed < 2 * SILENCE + 2, noticed
    assert "said nothing for 3 s" in phase.failed["h2"].message
    assert "h1" not in phase.failed and (tmp_path / "h1" / "ended").exists()
    assert (summary.phase, summary.finished) == ("The work", "Begins")
    assert summary.in_flight == ["Works", "Ends"]

    # It comes back: what the old run left there ends by itself, and the lock with it; the next run does the rest.
    left = send(servers["h2"], signal.SIGCONT)
    (tmp_path / "h2" / "quick").touch()
    with engine(inventory, tmp_path) as run:
        assert {state.state for state in run.connect().values()} == {"connected"}
        assert run.run_role("r", ["h1", "h2"]).ok
    assert (tmp_path / "h2" / "ended").exists()
    until(lambda: not any(Path(f"/proc/{process}").exists() for process in left))
