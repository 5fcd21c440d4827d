"""Connections that outlive a run, against a real sshd: what goes on, what is refused, and what a killed run leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from private_sshd import PrivateSSHD

from kprov.provision.transport.connect import connect
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.kept import KeptConnections
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target

KPROV = Path(sys.executable).with_name("kprov")
PATIENCE = 90.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSSHD]:
    # New keys are agreed on often: they must be by whoever has the connection then.
    lines = "RekeyLimit 256K\n"
    with PrivateSSHD(tmp_path_factory.mktemp("sshd"), lines=lines) as running:
        yield running


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home and a runtime folder of the test's own; what is kept there is ended with it."""
    folder = Path(tempfile.mkdtemp(prefix="kept-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("KPROV_KEEP_CONNECTIONS", "120s")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (folder / "home/.ssh").mkdir(parents=True, mode=0o700)
    yield folder
    kept().close()
    wait_until(lambda: not _keepers(folder), "the keeper does not end")
    shutil.rmtree(folder)


def _keepers(folder: Path) -> list[int]:
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if any(word.startswith(os.fsencode(folder) + b"/") for word in command.read_bytes().split(b"\0")):
                found.append(int(command.parent.name))
    return found


def kept() -> KeptConnections:
    def fail(message: str) -> None:
        raise AssertionError(message)

    return KeptConnections(120, fail)


@pytest.fixture
def target(server: PrivateSSHD) -> Target:
    keys = (str(server.client_key),)
    return Target("m1", "127.0.0.1", server.port, key_files=keys, pinned_key=server.host_key())


def laid_down(target: Target, *links: AgentLink) -> int:
    """Returns: the agent's process."""
    link = links[0] if links else connect(target)
    pid: int = link.call("hello")["pid"]
    kept().keep([link])
    return pid


def taken_up(target: Target) -> AgentLink:
    link = kept().take(target)
    assert link is not None
    link.confirm()
    return link


def test_the_same_agent_goes_on_as_new(target: Target, tmp_path: Path) -> None:
    link = connect(target)
    assert link.call("lock", path=str(tmp_path / "lock"), holder={"run": "first"})["locked"]
    failing = link.post("task", module="command", arguments={"argv": ["false"]}, queue=1)
    assert link.wait(failing)["result"]["failed"]
    pid = laid_down(target, link)
    assert not (tmp_path / "lock").exists()
    for number in range(3):
        link = taken_up(target)
        assert link.call("hello")["pid"] == pid
        assert link.call("lock", path=str(tmp_path / "lock"), holder={"run": str(number)})["locked"]
        # The queue that failed was that of another run.
        answer = link.call("task", module="command", arguments={"argv": ["seq", "100000"]}, queue=1)
        assert len(answer["stdout"]) > 500_000
        laid_down(target, link)
    assert kept().take(dataclasses.replace(target, user="nobody")) is None


def test_another_host_key_is_another_connection(server: PrivateSSHD, target: Target, runtime: Path) -> None:
    known = runtime / "home/.ssh/known_hosts"
    right = f"[127.0.0.1]:{server.port} {server.host_key()}\n"
    wrong = right[:-8] + "AAAAAAA\n"
    unpinned = dataclasses.replace(target, pinned_key=None)
    known.write_text(right)
    laid_down(unpinned)
    known.write_text(wrong)
    assert kept().take(unpinned) is None
    with pytest.raises(Unreachable, match="another host key"):
        connect(unpinned)
    known.write_text(right)
    assert kept().take(unpinned) is None  # it was given up


def test_a_dead_one_is_replaced_in_silence(target: Target, tmp_path: Path) -> None:
    inventory = _inventory(target, tmp_path)
    first = _exec(inventory, "echo agent $PPID")
    agent = int(first.stdout.split("agent ")[1].split()[0])
    assert first.returncode == 0 and f"agent {agent}" in _exec(inventory, "echo agent $PPID").stdout
    # It is there, and answers nothing.
    os.kill(agent, signal.SIGSTOP)
    second = _exec(inventory, "echo agent $PPID", "--timeout", "connect=1s")
    with contextlib.suppress(ProcessLookupError):
        os.kill(agent, signal.SIGKILL)
    assert second.returncode == 0 and f"agent {agent}" not in second.stdout and not second.stderr.strip(), second
    agent = int(second.stdout.split("agent ")[1].split()[0])
    os.kill(agent, signal.SIGKILL)
    third = _exec(inventory, "echo agent $PPID")
    assert third.returncode == 0 and f"agent {agent}" not in third.stdout and not third.stderr.strip(), third


def test_a_killed_run_leaves_neither_lock_nor_agent(target: Target, tmp_path: Path) -> None:
    inventory = _inventory(target, tmp_path)
    _exec(inventory, "true")
    program = f"cmd=echo $$ > {tmp_path}/pid; exec sleep 1000"
    command = [str(KPROV), "module", "shell", program, "-i", str(inventory)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "it does not run")
        assert (tmp_path / "lock").exists() and kept().list() == []
    finally:
        run.kill()
        run.wait()
    sleeping = Path("/proc", (tmp_path / "pid").read_text().strip())
    wait_until(lambda: not (tmp_path / "lock").exists() and not sleeping.exists(), "it is still locked or at work")
    assert kept().list() == []


def _inventory(target: Target, folder: Path) -> Path:
    host = {
        "ansible_host": target.address,
        "ansible_port": target.port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": target.key_files[0],
        "kprov_host_key": target.pinned_key,
        "kprov_lock_path": str(folder / "lock"),
    }
    (folder / "inventory.yaml").write_text(yaml.safe_dump({"all": {"hosts": {"m1": host}}}))
    return folder / "inventory.yaml"


def _exec(inventory: Path, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(KPROV), "exec", program, "-i", str(inventory), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=inventory.parent)


def _list() -> list[tuple[str, int]]:
    return sorted(kept().list())


def test_a_run_keeps_its_connection_for_a_minute_unless_told_not_to(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = _inventory(target, tmp_path)
    monkeypatch.delenv("KPROV_KEEP_CONNECTIONS")
    assert _exec(inventory, "true", "-e", "kprov_keep_connections=0").returncode == 0
    assert _list() == []
    agents = []
    for _ in range(2):
        done = _exec(inventory, "echo agent $PPID")
        assert done.returncode == 0, done.stdout + done.stderr
        agents.append(next(line for line in done.stdout.splitlines() if "agent " in line).split("agent ")[1])
        [(host, seconds)] = _list()
        assert host == "m1" and 0 < seconds <= 60
    assert agents[0] == agents[1], "the second run had another agent"
    kept().forget(["m1", "m2"])
    assert _list() == []
