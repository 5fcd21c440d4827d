"""What the keeper does with connections, and with those who ask for them; its sockets are pairs here, not SSH."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kprov.cli.main import run
from kprov.provision.transport.kept import SOCKET, KeptConnections, is_keepable, key_of
from kprov.provision.transport.runtime_folder import runtime_folder
from kprov.provision.transport.target import Target

PATIENCE = 60.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder with a short path."""
    made = Path(tempfile.mkdtemp(prefix="kept-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(made))
    yield runtime_folder()
    with contextlib.suppress(OSError):
        KeptConnections(60, print).close()
    wait_until(lambda: not keepers(made), "a keeper does not end")
    shutil.rmtree(made)


@pytest.fixture
def kept() -> Iterator[KeptConnections]:
    made = KeptConnections(60, print)
    assert made._reach(start=True)
    yield made
    made._let_go()


def keepers(folder: Path) -> list[int]:
    """The processes that have a file below a folder as an argument."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if any(word.startswith(os.fsencode(folder) + b"/") for word in command.read_bytes().split(b"\0")):
                found.append(int(command.parent.name))
    return found


def keeper_of(kept: KeptConnections) -> int:
    assert kept._keeper is not None
    # A program that has just begun has no arguments for a moment.
    wait_until(lambda: keepers(runtime_folder()), "there is no keeper")
    (pid,) = keepers(runtime_folder())
    return pid


def lay_down(kept: KeptConnections, key: str = "k", seconds: float = 60) -> socket.socket:
    """Returns: the machine's end."""
    near, far = socket.socketpair()
    far.settimeout(PATIENCE)
    with near:
        request = {"do": "keep", "key": key, "host": f"host of {key}", "seconds": seconds, "state": {"of": key}}
        assert kept._ask(request, near)[0] == {}
    return far


def take(kept: KeptConnections, key: str = "k") -> socket.socket | None:
    answer, given = kept._ask({"do": "take", "key": key})
    assert bool(given) == (answer == {"state": {"of": key}})
    return socket.socket(fileno=given[0]) if given else None


def is_over(machine: socket.socket) -> bool:
    """Whether the machine sees its connection end; waits for it."""
    return machine.recv(1) == b""


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_connection_is_handed_out_once(kept: KeptConnections) -> None:
    with lay_down(kept, "k") as machine, lay_down(kept, "other"):
        taken = take(kept)
        assert taken is not None and take(kept) is None
        machine.sendall(b"word")
        assert taken.recv(4) == b"word"
        taken.close()
        assert is_over(machine)


def test_what_a_machine_said_meanwhile_is_there(kept: KeptConnections) -> None:
    with lay_down(kept) as machine:
        machine.sendall(b"word")
        taken = take(kept)
        assert taken is not None and taken.recv(4) == b"word"
        taken.close()


def test_a_newer_connection_ends_the_older_one(kept: KeptConnections) -> None:
    with lay_down(kept) as older, lay_down(kept) as newer:
        assert is_over(older)
        assert [host for host, _ in kept.list()] == ["host of k"]
        assert kept.close() == 1
        assert is_over(newer)


def test_many_are_listed(kept: KeptConnections) -> None:
    machines = [lay_down(kept, f"k{number}") for number in range(450)]
    listed = kept.list()
    assert len(listed) == 450 and all(0 < seconds <= 60 for _, seconds in listed)
    assert kept.close() == 450
    for machine in machines:
        machine.close()


def test_those_to_some_machines_are_ended(kept: KeptConnections) -> None:
    with lay_down(kept, "a") as ended, lay_down(kept, "b"), lay_down(kept, "c") as ended_too:
        assert kept.close(["host of a", "host of c", *(f"elsewhere{n}" for n in range(500))]) == 2
        assert is_over(ended) and is_over(ended_too)
        assert [host for host, _ in kept.list()] == ["host of b"]


def test_people_see_and_end_them(kept: KeptConnections, capsys: pytest.CaptureFixture[str]) -> None:
    def kprov(*words: str) -> tuple[int, str]:
        code = run(["connections", *words])
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    with lay_down(kept, "a") as machine, lay_down(kept, "b") as other:
        code, text = kprov("list")
        assert code == 0 and [line.split()[2] for line in text.splitlines()[1:]] == ["a", "b"]
        assert kprov("list", "--output", "json")[1].splitlines()[-1] == (
            '{"event": "summary", "exit_code": 0, "connections": 2}'
        )
        assert kprov("close", "host of a", "host of z") == (
            2,
            "kprov: no connection is kept to host of z; there are: host of a, host of b\n",
        )
        assert kprov("close", "host of a") == (0, "ended 1 connection\n") and is_over(machine)
        assert kprov("close") == (0, "ended 1 connection\n") and is_over(other)
    kept._let_go()
    assert kprov("list") == (0, "no connection is kept\n")
    assert kprov("close") == (0, "ended 0 connections\n")


def test_it_ends_with_the_last_connection(folder: Path, kept: KeptConnections) -> None:
    pid = keeper_of(kept)
    with lay_down(kept, seconds=0.2) as machine:
        kept._let_go()
        assert is_over(machine)
    wait_until(lambda: is_gone(pid) and not (folder / SOCKET).exists(), "the keeper does not end")
    assert kept.list() == []


def test_a_machine_that_leaves_is_forgotten(kept: KeptConnections) -> None:
    with lay_down(kept, "stays"):
        lay_down(kept, "goes").close()
        wait_until(lambda: [host for host, _ in KeptConnections(60, print).list()] == ["host of stays"], "it stays")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_when_it_is_ended_its_connections_end(number: int, folder: Path, kept: KeptConnections) -> None:
    pid = keeper_of(kept)
    with lay_down(kept) as machine:
        os.kill(pid, number)
        assert is_over(machine)
    wait_until(lambda: is_gone(pid), "the keeper does not end")
    assert (folder / SOCKET).exists() == (number == signal.SIGKILL)
    another = KeptConnections(60, print)
    assert another.list() == [] and another.close() == 0
    assert another._reach(start=True)
    with lay_down(another):
        assert keeper_of(another) != pid
    another._let_go()


def test_it_ends_when_its_folder_goes(folder: Path, kept: KeptConnections) -> None:
    pid = keeper_of(kept)
    with lay_down(kept) as machine:
        shutil.rmtree(folder)
        assert is_over(machine)
    wait_until(lambda: is_gone(pid), "the keeper does not end")


def test_a_client_that_is_killed_takes_its_connection_with_it(kept: KeptConnections) -> None:
    program = (
        "import sys, json; from kprov.provision.transport.kept import KeptConnections\n"
        "kept = KeptConnections(60, print); kept._reach(start=False)\n"
        "answer, given = kept._ask({'do': 'take', 'key': 'k'}); print(len(given), flush=True); sys.stdin.read()"
    )
    with lay_down(kept) as machine:
        client = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.stdout is not None and client.stdin is not None
        assert client.stdout.readline() == b"1\n"
        client.kill()
        client.wait()
        assert is_over(machine)
        client.stdin.close()
        client.stdout.close()


@pytest.mark.parametrize(
    "said", [b"{", b"[]", b'{"do": "dance"}', b'{"do": "keep"}', b'{"do": "take"}', b"x" * 70000, b"\xff"]
)
def test_who_talks_nonsense_is_left_and_others_are_served(said: bytes, folder: Path, kept: KeptConnections) -> None:
    with lay_down(kept), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(PATIENCE)
        client.connect(str(folder / SOCKET))
        client.send(said)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
        taken = take(kept)
        assert taken is not None
        taken.close()


def test_only_its_user_reaches_it(folder: Path, kept: KeptConnections) -> None:
    assert (folder / SOCKET).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    command = Path(f"/proc/{keeper_of(kept)}/cmdline").read_bytes().split(b"\0")
    assert command[-2] == str(folder / SOCKET).encode()
    assert Path(f"/proc/{keeper_of(kept)}/environ").read_bytes() == b""


def test_what_is_not_asked_for_starts_nothing(folder: Path) -> None:
    target = Target("m", "192.0.2.1")
    for seconds in (0, 60):
        connections = KeptConnections(seconds, print)
        assert connections.take(target) is None
        connections.keep([])
    assert list(folder.iterdir()) == []


def test_its_key_is_all_that_decides_a_connection(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("one")
    target = Target("m", "192.0.2.1", key_files=(str(secret),))
    others: dict[str, Any] = {
        "name": "n",
        "address": "192.0.2.2",
        "port": 23,
        "user": "ops",
        "key_files": (),
        "pinned_key": "ssh-ed25519 AAAA",
        "password": "p",
        "passphrase": "p",
        "become": False,
        "unprivileged": True,
        "become_user": "ops",
        "become_password": "p",
        "python": "python3.9",
    }
    keys = {key_of(target), *(key_of(dataclasses.replace(target, **{name: value})) for name, value in others.items())}
    assert len(keys) == len(others) + 1
    assert key_of(dataclasses.replace(target, connect_timeout=1, lock_path="/x")) == key_of(target)
    before = key_of(target)
    secret.unlink()
    secret.write_text("another")
    assert key_of(target) != before


def test_which_are_kept() -> None:
    target = Target("m", "192.0.2.1")
    assert is_keepable(target)
    assert not is_keepable(dataclasses.replace(target, local=True))
    assert not is_keepable(dataclasses.replace(target, transport="openssh"))
    assert not is_keepable(dataclasses.replace(target, transport="asyncssh"))
    assert not is_keepable(dataclasses.replace(target, jump=target))
