"""Which host keys are right, for asyncssh: the pinned one, or those of known_hosts (certificates and all)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from kprov.provision.transport import host_keys, known_hosts
from kprov.provision.transport.errors import HostKeyMismatch, HostKeyUnknown, Unreachable
from kprov.provision.transport.target import Target


def fingerprint(key: asyncssh.SSHKey) -> str:
    """A key's fingerprint as ssh-keygen shows it."""
    digest = base64.b64encode(hashlib.sha256(key.public_data).digest()).decode().rstrip("=")
    return f"{key.algorithm.decode()} SHA256:{digest}"


@dataclass
class Known:
    """What is known of a machine's keys, and what was found."""

    target: Target
    expected: list[asyncssh.SSHKey]
    asyncssh: Any
    accept_new: bool
    warn: Callable[[str], None] | None
    reason: Unreachable | None = field(default=None)

    @property
    def algorithms(self) -> Any:
        """Which kinds of host keys are asked for: those of known keys first, so that a known one is shown."""
        if not self.expected:
            return "default"
        wanted: list[str] = []
        for key in self.expected:
            wanted += [name.decode() for name in key.sig_algorithms]
        return ",".join(dict.fromkeys(wanted)) if self.target.pinned_key else "default"

    def judge(self, key: asyncssh.SSHKey) -> bool:
        """What is done with a key that is not among the known ones."""
        name = known_hosts.known_name(self.target.address, self.target.port)
        if self.expected:
            self.reason = HostKeyMismatch(
                f"{self.target.name} ({self.target.address}) has another host key than the known one: expected "
                f"{fingerprint(self.expected[0])}, found {fingerprint(key)}. Someone may be in between. If the machine "
                f"was made anew, correct {host_keys.where_known(self.target)}"
            )
            return False
        text = key.export_public_key().decode().split()
        if self.accept_new:
            path = known_hosts.remember(self.target.address, self.target.port, text[0], text[1])
            if self.warn:
                self.warn(f"{self.target.name}: took the unknown host key {fingerprint(key)} and wrote it to {path}")
            return True
        self.reason = HostKeyUnknown(
            f"the host key of {self.target.name} ({name}) is not known: it is {fingerprint(key)}. Compare it on the "
            f"machine (ssh-keygen -lf on /etc/ssh/ssh_host_*_key.pub), then pin it in the inventory (kprov_host_key: "
            f"{text[0]} {text[1]}), connect once by ssh, or run with --accept-new-host-keys"
        )
        return False


class Client(asyncssh.SSHClient):
    """Asks what is to be done with a key that is not known.

    Args:
        known: what is known.
    """

    def __init__(self, known: Known) -> None:
        self._known = known

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Whether to trust it."""
        return self._known.judge(key)


def known(target: Target, accept_new: bool, warn: Callable[[str], None] | None) -> Known:
    """What is known of a target's keys.

    Raises:
        Unreachable: the pinned key cannot be read.
    """
    if target.pinned_key:
        key = asyncssh.import_public_key(host_keys.pinned_line(target))
        return Known(target, [key], ([key], [], []), False, warn)
    text = ""
    for path in known_hosts.FILES:
        if path.expanduser().exists():
            text += path.expanduser().read_text(errors="replace") + "\n"
    found = asyncssh.import_known_hosts(text)
    keys, authorities = found.match(target.address, "", target.port if target.port != 22 else None)[:2]
    return Known(target, [*keys] if not authorities else [], found, accept_new and not authorities, warn)
