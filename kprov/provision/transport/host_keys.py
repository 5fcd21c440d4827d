"""Is this the machine that we know? Pinned keys and known_hosts.

A stranger is refused unless the person says otherwise.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable

import paramiko

from kprov.provision.transport import known_hosts
from kprov.provision.transport.errors import HostKeyMismatch, HostKeyUnknown, Unreachable
from kprov.provision.transport.host_certificates import CERTIFICATES, problem_of
from kprov.provision.transport.known_hosts import KnownHost, known_name
from kprov.provision.transport.target import Target


def fingerprint(key: paramiko.PKey) -> str:
    """A key's fingerprint as ssh-keygen shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


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
    """Judges every key that a host shows.

    Args:
        target: the host.
        accept_new: take an unknown key and remember it.
        warn: told that a key was taken.
    """

    def __init__(self, target: Target, accept_new: bool, warn: Callable[[str], None] | None) -> None:
        self._target = target
        self._warn = warn
        self._known = KnownHost() if target.pinned_key else known_hosts.look_up(target.address, target.port)
        self._expected = (
            [parse_pinned(target.pinned_key, target.name)] if target.pinned_key else _keys(self._known.keys)
        )
        self._authorities = [authority.data for authority in self._known.authorities]
        self._accept_new = accept_new and not self._expected and not self._authorities

    def prefer(self, transport: paramiko.Transport) -> None:
        """Ask the host for a key of a kind that is known."""
        wanted = list(CERTIFICATES) if self._authorities else []
        for key in self._expected:
            name = key.get_name()
            wanted += ["rsa-sha2-512", "rsa-sha2-256"] if name == "ssh-rsa" else [name]
        options = transport.get_security_options()
        usual = [name for name in options.key_types if name not in wanted]
        options.key_types = [*dict.fromkeys(wanted), *usual]

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Accept, refuse, or remember."""
        blob = key.public_blob.key_blob if key.public_blob is not None else key.asbytes()
        if any(revoked.data in (blob, key.asbytes()) for revoked in self._known.revoked):
            raise HostKeyMismatch(
                f"the host key of {self._target.name} ({fingerprint(key)}) is marked @revoked in known_hosts: whoever "
                f"has it must not be trusted. Give the machine a new one"
            )
        if any(expected.asbytes() == blob for expected in self._expected):
            return
        if key.public_blob is not None:
            problem = problem_of(blob, self._target.address, self._authorities)
            if problem is None:
                return
            raise HostKeyMismatch(
                f"the certificate of the host key of {self._target.name} ({self._target.address}) is not good: "
                f"{problem}. Someone may be in between"
            )
        if self._expected:
            raise mismatch(self._target, self._expected[0], key)
        if self._accept_new:
            path = known_hosts.remember(self._target.address, self._target.port, key.get_name(), key.get_base64())
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


def _keys(known: tuple[known_hosts.KnownKey, ...]) -> list[paramiko.PKey]:
    found = []
    for each in known:
        try:
            found.append(paramiko.PKey.from_type_string(each.kind, each.data))
        except Exception:  # noqa: S112 - of a kind that paramiko does not know
            continue
    return found


def _file(key: paramiko.PKey) -> str:
    name = key.get_name()
    return "ed25519" if "ed25519" in name else ("ecdsa" if "ecdsa" in name else "rsa")


def mismatch(target: Target, expected: paramiko.PKey, found: paramiko.PKey) -> HostKeyMismatch:
    """What is said when the key is not the known one."""
    return HostKeyMismatch(
        f"{target.name} ({target.address}) has another host key than the known one: expected "
        f"{fingerprint(expected)}, found {fingerprint(found)}. "
        f"Someone may be in between. If the machine was made anew, correct {where_known(target)}"
    )
