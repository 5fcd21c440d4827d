"""sshd as it is found in the world: its keys, its options, its login shells, and networks that go away."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from private_sshd import PrivateSSHD, key

from kprov.provision.transport import openssh
from kprov.provision.transport.connect import connect
from kprov.provision.transport.errors import HostKeyMismatch, HostKeyUnknown, Unreachable
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "home" / ".ssh").mkdir(parents=True, mode=0o700)
    return tmp_path / "home"


def target_of(server: PrivateSSHD, **options: Any) -> Target:
    made = Target(
        "m1",
        server.address,
        server.port,
        key_files=(str(server.client_key),),
        pinned_key=server.host_key(server.host_keys[0]),
        connect_timeout=5,
        login_timeout=20,
        silence_timeout=20,
    )
    return replace(made, **options)


def says_hello(target: Target) -> None:
    link = connect(target)
    try:
        assert link.call("hello", timeout=20)["uid"] == os.getuid()
    finally:
        link.close()
        if target.transport == "openssh":
            openssh.forget(target)


def sends(link: AgentLink, folder: Path, size: int) -> None:
    data = os.urandom(size)
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / "source").write_bytes(data)
    link.offer(sha256, folder / "source")
    arguments = {"dest": str(folder / "out"), "content": "-", "_sha256": sha256, "_size": size}
    assert link.call("task", module="copy", arguments=arguments, timeout=60)["changed"]
    assert (folder / "out").read_bytes() == data


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_every_kind(tmp_path: Path, kind: str) -> None:
    with PrivateSSHD(tmp_path / "sshd", host_keys=(kind,)) as server:
        own = key(tmp_path / "own", kind)
        (server.folder / "authorized_keys").write_text(own.with_suffix(".pub").read_text())
        says_hello(target_of(server, key_files=(str(own),)))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_pinned_kind_is_asked_for_among_several(tmp_path: Path, kind: str) -> None:
    with PrivateSSHD(tmp_path / "sshd", host_keys=("ed25519", "ecdsa", "rsa")) as server:
        says_hello(target_of(server, pinned_key=server.host_key(kind)))


def test_ssh_agent_and_keys_at_home(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PrivateSSHD(tmp_path / "sshd") as server:
        bare = target_of(server, key_files=())
        with pytest.raises(Unreachable, match="no key at all"):
            connect(bare)
        shutil.copy(server.client_key, home / ".ssh/id_ed25519")
        says_hello(bare)
        (home / ".ssh/id_ed25519").unlink()
        sealed = key(tmp_path / "sealed", passphrase="secret")
        (server.folder / "authorized_keys").write_text(sealed.with_suffix(".pub").read_text())
        with _ssh_agent(tmp_path, monkeypatch):
            askpass = tmp_path / "askpass"
            askpass.write_text("#!/bin/sh\necho secret\n")
            askpass.chmod(0o700)
            environment = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
            subprocess.run(["ssh-add", "-q", str(sealed)], check=True, env=environment, capture_output=True)
            says_hello(bare)
            says_hello(target_of(server, key_files=(str(sealed),)))


@contextlib.contextmanager
def _ssh_agent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    path = Path("/tmp") / f"kprov-test-agent-{os.getpid()}"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield
    finally:
        process.terminate()
        process.wait(10)
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("transport", ["paramiko", "openssh", "asyncssh"])
def test_known_hosts_as_ssh_writes_it(tmp_path: Path, home: Path, transport: str) -> None:
    known = home / ".ssh/known_hosts"
    with PrivateSSHD(tmp_path / "sshd") as server:
        target = target_of(server, pinned_key=None, transport=transport)
        line = f"[127.0.0.1]:{server.port} {server.host_key()}\n"
        known.write_text(f"# mine\n\nother.example {server.host_key()}\n{line}")
        says_hello(target)
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
        assert "127.0.0.1" not in known.read_text()
        says_hello(target)
        known.write_text(f"127.0.0.1 {server.host_key()}\n")  # good for every port
        says_hello(target)
        known.write_text(f"*.1,!127.0.0.1,![127.0.0.1]:{server.port} {server.host_key()}\n")
        with pytest.raises(HostKeyUnknown):
            connect(target)
        known.write_text(f"@revoked * {server.host_key()}\n{line}")
        with pytest.raises(HostKeyMismatch):
            connect(target)


@pytest.mark.parametrize("transport", ["paramiko", "openssh", "asyncssh"])
def test_certificates_of_hosts(tmp_path: Path, home: Path, transport: str) -> None:
    known = home / ".ssh/known_hosts"
    authority, other = key(tmp_path / "authority"), key(tmp_path / "other")
    server = PrivateSSHD(tmp_path / "sshd")
    public = server.host_key_file().with_suffix(".pub")
    sign = ["ssh-keygen", "-q", "-h", "-s", str(authority), "-I", "m1", "-n", "127.0.0.1", "-V", "-1h:+1h", str(public)]
    subprocess.run(sign, check=True, capture_output=True)
    server.lines = f"HostCertificate {server.folder}/host_ed25519-cert.pub\n"
    with server:
        target = target_of(server, pinned_key=None, transport=transport)
        known.write_text(f"@cert-authority * {authority.with_suffix('.pub').read_text()}")
        says_hello(target)
        known.write_text(f"@cert-authority * {other.with_suffix('.pub').read_text()}")
        with pytest.raises(Unreachable):
            connect(target)


@pytest.mark.parametrize("transport", ["paramiko", "openssh", "asyncssh"])
def test_ipv6(tmp_path: Path, home: Path, transport: str) -> None:
    with PrivateSSHD(tmp_path / "sshd", address="::1") as server:
        says_hello(target_of(server, transport=transport))
        (home / ".ssh/known_hosts").write_text(f"[::1]:{server.port} {server.host_key()}\n")
        says_hello(target_of(server, transport=transport, pinned_key=None))


OPTIONS = {
    "one session a connection": "MaxSessions 1\n",
    "a banner": "Banner {folder}/banner\n",
    "a message of the day from the shell": "ForceCommand echo 'Welcome to $(hostname)'; echo '*** kprov ***' >&2; "
    'sh -c "$SSH_ORIGINAL_COMMAND"\n',
    "new keys every megabyte": "RekeyLimit 1M\n",
    "only chacha": "Ciphers chacha20-poly1305@openssh.com\n",
    "only old ciphers": "Ciphers aes128-ctr\nMACs hmac-sha2-256\nKexAlgorithms ecdh-sha2-nistp256\n",
    "no rsa signatures of old": "PubkeyAcceptedAlgorithms ssh-ed25519,rsa-sha2-512\n",
    "compression refused": "Compression no\n",
}


@pytest.mark.parametrize("transport", ["paramiko", "openssh", "asyncssh"])
@pytest.mark.parametrize("what", OPTIONS)
def test_options_of_sshd(tmp_path: Path, what: str, transport: str) -> None:
    if what == "only chacha" and transport == "paramiko":
        pytest.skip("paramiko has no chacha20-poly1305: see the test of what is said then")
    folder = tmp_path / "sshd"
    folder.mkdir()
    (folder / "banner").write_text("Authorised persons only.\n" * 200)
    with PrivateSSHD(folder, lines=OPTIONS[what].format(folder=folder)) as server:
        target = target_of(server, transport=transport)
        link = connect(target)
        try:
            sends(link, tmp_path, 6_000_000)
            assert link.call("hello", timeout=20)["pid"] > 0
        finally:
            link.close()
            if transport == "openssh":
                openssh.forget(target)


def test_a_server_that_has_no_cipher_in_common_is_said_so(tmp_path: Path) -> None:
    lines = "Ciphers chacha20-poly1305@openssh.com\n"
    with PrivateSSHD(tmp_path / "sshd", lines=lines) as server, pytest.raises(Unreachable, match=r"in common .*cipher"):
        connect(target_of(server))


@pytest.mark.parametrize("transport", ["paramiko", "asyncssh"])
def test_a_connection_that_ends_before_the_agent_has_started_is_said_so(tmp_path: Path, transport: str) -> None:
    words = r"connection to m1 ended before the agent had started.* \(timeout login\)"
    with (
        PrivateSSHD(tmp_path / "sshd", lines="ForceCommand kill -9 $PPID\n") as server,
        pytest.raises(Unreachable, match=words),
    ):
        connect(target_of(server, transport=transport))


@pytest.mark.parametrize("shell", ["tcsh", "csh", "fish", "zsh", "dash", "bash", "busybox"])
def test_login_shells(tmp_path: Path, shell: str) -> None:
    """What sshd does with a login shell: SHELL -c COMMAND."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not here")
    line = f'ForceCommand exec {program}{" sh" if shell == "busybox" else ""} -c "$SSH_ORIGINAL_COMMAND"\n'
    with PrivateSSHD(tmp_path / "sshd", lines=line) as server:
        says_hello(target_of(server))


@pytest.mark.parametrize("transport", ["paramiko", "openssh", "asyncssh"])
def test_a_machine_that_freezes_is_given_up(tmp_path: Path, transport: str) -> None:
    with PrivateSSHD(tmp_path / "sshd") as server:
        target = target_of(server, transport=transport, silence_timeout=3)
        link = connect(target)
        pid = link.call("hello", timeout=20)["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(Unreachable, match=r"m1 said nothing for 3 s \(timeout silence\)"):
                link.call("hello")
            assert time.monotonic() - began < 6
        finally:
            os.kill(pid, signal.SIGKILL)
            link.close()
            if transport == "openssh":
                openssh.forget(target)


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[tuple[PrivateSSHD, Any]]:
    """An sshd in a network namespace, and a function that pulls its cable."""
    if os.geteuid() != 0:
        pytest.fail("network namespaces need root")
    space, near, far = "kprov-cable", "kp-cable0", "kp-cable1"

    def ip(*words: str, check: bool = True) -> None:
        subprocess.run(["ip", *words], check=check, capture_output=True)

    ip("netns", "del", space, check=False)  # of a run that was killed
    ip("link", "del", near, check=False)
    ip("netns", "add", space)
    server = PrivateSSHD(tmp_path / "sshd", address="10.97.200.2", space=space)
    try:
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", space)
        ip("address", "add", "10.97.200.1/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", space, "address", "add", "10.97.200.2/30", "dev", far)
        ip("-n", space, "link", "set", far, "up")
        ip("-n", space, "link", "set", "lo", "up")
        with server:
            # The near end stays up, as a controller's own network does.
            yield server, lambda: ip("-n", space, "link", "set", far, "down")
    finally:
        ip("link", "del", near, check=False)
        ip("netns", "del", space, check=False)


@pytest.mark.parametrize("transport", ["paramiko", "openssh", "asyncssh"])
@pytest.mark.parametrize("busy", ["waiting", "sending"])
def test_a_machine_that_is_unplugged_is_noticed(
    cable: tuple[PrivateSSHD, Any], tmp_path: Path, transport: str, busy: str
) -> None:
    server, pull = cable
    target = target_of(server, transport=transport, silence_timeout=3)
    link = connect(target)
    try:
        link.call("hello", timeout=20)
        if busy == "sending":
            data = os.urandom(1 << 20) * 64
            sha256 = hashlib.sha256(data).hexdigest()
            link.offer(sha256, data)
            arguments = {"dest": str(tmp_path / "out"), "content": "-", "_sha256": sha256, "_size": len(data)}
            number = link.post("task", module="copy", arguments=arguments)
        else:
            number = link.post("task", module="command", arguments={"argv": ["sleep", "600"]})
        link.flush()
        pull()
        began = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            link.wait(number)
        assert time.monotonic() - began < 22, caught.value.message
        assert re.search("m1 (said nothing|did not take)|was lost", caught.value.message)
        began = time.monotonic()
    finally:
        link.close()
    assert time.monotonic() - began < 11
