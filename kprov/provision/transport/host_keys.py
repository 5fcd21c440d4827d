"""Is this the machine that we know? Pinned keys and known_hosts.

A stranger is refused unless the person says otherwise.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import paramiko

from kprov.provision.transport.errors import HostKeyMismatch, HostKeyUnknown, Unreachable
from kprov.provision.transport.target import Target

KNOWN_HOSTS = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


def fingerprint(key: paramiko.PKey) -> str:
    """A key's fingerprint as ssh-keygen shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def known_name(address: str, port: int) -> str:
    """The name under which known_hosts keeps a host."""
    return address if port == 22 else f"[{address}]:{port}"


def parse_pinned(text: str, host: str) -> paramiko.PKey:
    """A key as `kprov_host_key` has it: "ssh-ed25519 AAAA…" (a comment or a leading host name is no harm).

    Raises:
        Unreachable: it cannot be read.
    """
    words = text.split()
    for kind, data in itertools.pairwise(words):
        try:
            return paramiko.PKey.from_type_string(kind, base64.b64decode(data))
        except Exception:  # noqa: S112 - these two words are no key; perhaps the next two are
            continue
    raise Unreachable(
        f"kprov_host_key of {host} cannot be read: write it like 'ssh-ed25519 AAAA…' (ssh-keyscan shows it)"
    )


def pinned_line(target: Target) -> str:
    """The pinned key as known_hosts has it, without the host's name.

    Raises:
        Unreachable: it cannot be read.
    """
    key = parse_pinned(target.pinned_key or "", target.name)
    return f"{key.get_name()} {key.get_base64()}"


def where_known(target: Target) -> str:
    """Where the key stands that a host is known by."""
    if target.pinned_key:
        return "kprov_host_key in the inventory"
    return f"the line of {known_name(target.address, target.port)} in known_hosts"


class Policy(paramiko.MissingHostKeyPolicy):
    """What is done with a host whose key is neither pinned nor known.

    Args:
        target: the host.
        accept_new: take the key and remember it.
        warn: told that a key was taken.
    """

    def __init__(self, target: Target, accept_new: bool, warn: Callable[[str], None] | None) -> None:
        self._target = target
        self._accept_new = accept_new
        self._warn = warn

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Refuse, or remember."""
        if self._accept_new:
            path = KNOWN_HOSTS[0].expanduser()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with path.open("a") as stream:
                stream.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")
            if self._warn:
                self._warn(f"{self._target.name}: took the unknown host key {fingerprint(key)} and wrote it to {path}")
            return
        raise HostKeyUnknown(
            f"the host key of {self._target.name} ({hostname}) is not known: it is {fingerprint(key)}. Compare it "
            f"on the machine "
            f"(ssh-keygen -lf /etc/ssh/ssh_host_{_file(key)}_key.pub), then pin it in the inventory "
            f"(kprov_host_key: {key.get_name()} {key.get_base64()}), connect once by ssh, or run with "
            f"--accept-new-host-keys"
        )


def _file(key: paramiko.PKey) -> str:
    name = key.get_name()
    return "ed25519" if "ed25519" in name else ("ecdsa" if "ecdsa" in name else "rsa")


def prepare(client: paramiko.SSHClient, target: Target, accept_new: bool, warn: Callable[[str], None] | None) -> None:
    """Tell a client which keys are right for a target. A pinned key is the only right one.

    Known_hosts is not asked then.
    """
    client.set_missing_host_key_policy(Policy(target, accept_new, warn))
    client.get_host_keys().clear()
    if target.pinned_key:
        key = parse_pinned(target.pinned_key, target.name)
        client.get_host_keys().add(known_name(target.address, target.port), key.get_name(), key)
        client.set_missing_host_key_policy(_RefuseOther(target, key))
        return
    for path in KNOWN_HOSTS:
        try:
            client.load_system_host_keys(str(path.expanduser()))
        except (OSError, paramiko.SSHException):
            continue


class _RefuseOther(paramiko.MissingHostKeyPolicy):
    """The host offers a key of another kind than the pinned one."""

    def __init__(self, target: Target, pinned: paramiko.PKey) -> None:
        self._target = target
        self._pinned = pinned

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Refuse."""
        raise mismatch(self._target, self._pinned, key)


def mismatch(target: Target, expected: paramiko.PKey, found: paramiko.PKey) -> HostKeyMismatch:
    """What is said when the key is not the known one."""
    return HostKeyMismatch(
        f"{target.name} ({target.address}) has another host key than the known one: expected "
        f"{fingerprint(expected)}, found {fingerprint(found)}. "
        f"Someone may be in between. If the machine was made anew, correct {where_known(target)}"
    )
