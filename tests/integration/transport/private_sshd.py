"""An sshd of a test's own on loopback: its keys, its configuration, its log; gone with the test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from leftovers import MARK

SSHD = "/usr/sbin/sshd"

CONFIG = """
ListenAddress {address}:{port}
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups {max_startups}
LogLevel VERBOSE
"""


def key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)], check=True)
    return path


def free_port(address: str = "127.0.0.1") -> int:
    """A port where nobody listens now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass
class PrivateSSHD:
    """A running sshd."""

    folder: Path
    address: str = "127.0.0.1"
    port: int = 0
    lines: str = ""
    max_startups: str = "1000"
    host_keys: tuple[str, ...] = ("ed25519",)
    space: str = ""  # a network namespace
    process: subprocess.Popen[bytes] | None = None
    client_key: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.client_key = self.folder / "client"
        if not self.client_key.exists():
            key(self.client_key)
            (self.folder / "authorized_keys").write_text(self.client_key.with_suffix(".pub").read_text())
        for kind in self.host_keys:
            if not self.host_key_file(kind).exists():
                key(self.host_key_file(kind), kind)

    def host_key_file(self, kind: str = "ed25519") -> Path:
        """The host's private key."""
        return self.folder / f"host_{kind}"

    def host_key(self, kind: str = "ed25519") -> str:
        """The host's public key, as kprov_host_key has it."""
        words = self.host_key_file(kind).with_suffix(".pub").read_text().split()
        return " ".join(words[:2])

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text()

    def start(self) -> PrivateSSHD:
        """Start it and wait until it listens."""
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd shuts its unprivileged half in
        self.port = self.port or (22 if self.space else free_port(self.address))
        shown = f"[{self.address}]" if ":" in self.address else self.address
        text = CONFIG.format(address=shown, port=self.port, folder=self.folder, max_startups=self.max_startups)
        text += f"SetEnv {MARK}={os.environ[MARK]}\n" if MARK in os.environ else ""  # sshd hands on none by itself
        text += "".join(f"HostKey {self.host_key_file(kind)}\n" for kind in self.host_keys)
        # The first value of an option counts: a test's lines go before ours.
        (self.folder / "config").write_text(self.lines + text)
        log = (self.folder / "log").open("wb")
        within = ["ip", "netns", "exec", self.space] if self.space else []
        self.process = subprocess.Popen(
            [*within, SSHD, "-D", "-e", "-f", str(self.folder / "config")], stderr=log, stdin=subprocess.DEVNULL
        )
        log.close()
        deadline = time.monotonic() + 60
        while f"Server listening on {self.address} port {self.port}" not in self.log:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """End it and the connections that it serves."""
        if self.process is None:
            return
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        serving = children.read_text().split() if children.exists() else []
        self.process.terminate()
        self.process.wait(10)
        for pid in serving:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)

    def __enter__(self) -> PrivateSSHD:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
