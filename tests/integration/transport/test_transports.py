"""Every transport against a real sshd: the same way in, the same work, and the same reason when there is no way."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from private_sshd import PrivateSSHD, free_port, key

from kprov.provision.transport import openssh
from kprov.provision.transport.connect import connect
from kprov.provision.transport.errors import (
    AuthenticationRefused,
    HostKeyMismatch,
    HostKeyUnknown,
    NameNotResolved,
    PythonMissing,
    Refused,
    TimedOut,
    Unreachable,
)
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target

TRANSPORTS = ("paramiko", "openssh", "asyncssh")
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHHcmJI8KmGHMOLLqBIcEWjg8VxAfVQ7MRsdK6sUhUIn"
SILENT = "192.0.2.250"  # where no machine may be


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSSHD]:
    with PrivateSSHD(tmp_path_factory.mktemp("sshd"), host_keys=("ed25519", "rsa")) as running:
        yield running


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and no ssh-agent."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "home" / ".ssh").mkdir(parents=True, mode=0o700)
    return tmp_path / "home"


@pytest.fixture
def target(server: PrivateSSHD, transport: str) -> Iterator[Target]:
    made = Target(
        "m1",
        "127.0.0.1",
        server.port,
        key_files=(str(server.client_key),),
        pinned_key=server.host_key(),
        transport=transport,
        connect_timeout=3,
        login_timeout=60,
        silence_timeout=15,
    )
    yield made
    if transport == "openssh":
        openssh.forget(made)


def _work(link: AgentLink, folder: Path) -> None:
    data = os.urandom(3_000_000) + b"x" * 3_000_000
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / "source").write_bytes(data)
    link.offer(sha256, folder / "source")
    arguments = {"dest": str(folder / "out"), "content": "-", "_sha256": sha256, "_size": len(data), "mode": "0600"}
    try:
        assert link.call("task", module="copy", arguments=arguments, timeout=60)["changed"]
        assert (folder / "out").read_bytes() == data
        command = {"cmd": "head -c 5000000 /dev/zero | tr '\\0' y; echo no >&2"}
        answer = link.call("task", module="shell", arguments=command, timeout=60)
        assert answer["stdout"] == "y" * 5_000_000 and answer["stderr"].strip() == "no"
        link.alive()
        assert link.call("hello", timeout=20)["uid"] == os.getuid()
    finally:
        link.close()


def test_it_works_in_both_directions(target: Target, tmp_path: Path) -> None:
    _work(connect(target), tmp_path)
    _work(connect(target, greet=False), tmp_path / "..")


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"pinned_key": OTHER_KEY}, HostKeyMismatch, "another host key .*expected ssh-ed25519 SHA256:.*found"),
        ({"pinned_key": None}, HostKeyUnknown, r"key of m1 \(\[127.0.0.1\]:\d+\) is not known.*kprov_host_key"),
        ({"pinned_key": "rubbish"}, Unreachable, "cannot be read"),
        ({"user": "nobody-at-all"}, AuthenticationRefused, "does not let nobody-at-all in; tried: key /"),
        ({"key_files": ("/no/such/key",)}, AuthenticationRefused, "/no/such/key of m1 does not exist"),
        ({"key_files": ("{other}",)}, AuthenticationRefused, "does not let root in; tried: key /"),
        ({"key_files": ("{sealed}",)}, AuthenticationRefused, "is sealed with a passphrase: add it to ssh-agent"),
        ({"key_files": ("{sealed}",), "passphrase": "wrong"}, AuthenticationRefused, "passphrase given .* not open"),
        ({"python": "/no/python3"}, PythonMissing, "there is no /no/python3 on m1"),
        ({"port": "{closed}"}, Refused, r"127.0.0.1:\d+ refuses connections"),
        ({"address": "no-such-name.invalid"}, NameNotResolved, r"no-such-name.invalid of m1 has no address \("),
        ({"address": SILENT, "connect_timeout": 1}, Unreachable, f"{SILENT}:"),
        ({"port": "{silent}", "login_timeout": 3}, TimedOut, "timeout"),
        ({"jump": "{nowhere}"}, Unreachable, r"through jump host gate: 127.0.0.1:\d+ refuses"),
    ],
)  # fmt: skip
def test_why_there_is_no_way_in(
    target: Target,
    tmp_path: Path,
    changes: dict[str, Any],
    kind: type[Unreachable],
    words: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closed = free_port()
        filled: dict[str, Any] = {
            "{other}": (str(tmp_path / "other"),),
            "{sealed}": (str(tmp_path / "sealed"),),
            "{closed}": closed,
            "{silent}": listening.getsockname()[1],
            "{nowhere}": dataclasses.replace(target, name="gate", port=closed),
        }
        key(tmp_path / "other")
        key(tmp_path / "sealed", passphrase="secret")
        ready = {
            name: filled.get(value[0] if isinstance(value, tuple) else value, value) for name, value in changes.items()
        }
        wrong = dataclasses.replace(target, **ready)
        with pytest.raises(kind) as caught:
            connect(wrong).close()
    assert re.search(words, caught.value.message), caught.value.message


def test_a_new_key_is_taken_when_asked_and_remembered(target: Target, home: Path) -> None:
    unpinned = dataclasses.replace(target, pinned_key=None)
    connect(unpinned, accept_new=True).close()
    known = home / ".ssh/known_hosts"
    name = f"[127.0.0.1]:{target.port}"
    subprocess.run(["ssh-keygen", "-F", name, "-f", str(known)], check=True, capture_output=True)
    connect(unpinned).close()
    known.write_text(f"{name} {OTHER_KEY}\n")
    if target.transport == "openssh":
        for accepted in (True, False):  # a kept login has shown its key already
            openssh.forget(unpinned, accepted)
    with pytest.raises(HostKeyMismatch, match="known_hosts"):
        connect(unpinned).close()
    with pytest.raises(HostKeyMismatch):
        connect(unpinned, accept_new=True).close()


def test_a_sealed_key_is_opened(
    target: Target, server: PrivateSSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = key(tmp_path / "sealed", passphrase="secret")
    authorized = server.folder / "authorized_keys"
    authorized.write_text(authorized.read_text() + sealed.with_suffix(".pub").read_text())
    with_key = dataclasses.replace(target, key_files=(str(sealed),))
    connect(dataclasses.replace(with_key, passphrase="secret")).close()
    if target.transport == "openssh":
        openssh.forget(with_key)
    monkeypatch.setenv("KPROV_SSH_PASSPHRASE", "secret")
    connect(with_key).close()


def test_through_a_jump_host(target: Target, server: PrivateSSHD, tmp_path: Path) -> None:
    gate = dataclasses.replace(target, name="gate")
    second = dataclasses.replace(target, name="second", jump=gate)
    _work(connect(dataclasses.replace(target, jump=second)), tmp_path)
    beyond = dataclasses.replace(target, jump=gate, port=free_port())
    with pytest.raises(Unreachable, match=r"jump host gate cannot reach 127.0.0.1:\d+ \(.*AllowTcpForwarding"):
        connect(beyond).close()
    if target.transport == "openssh":
        openssh.forget(gate)
