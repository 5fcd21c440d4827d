"""known_hosts as ssh reads it: patterns, hashed names, other ports, revoked keys, authorities of certificates.

A line that cannot be read says nothing about any host, and keeps nobody from reading the others.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import fnmatch
import functools
import hashlib
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILES = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


def known_name(address: str, port: int) -> str:
    """The name under which known_hosts keeps a host."""
    return address if port == 22 else f"[{address}]:{port}"


@dataclass(frozen=True)
class KnownKey:
    """A key in known_hosts."""

    kind: str
    data: bytes


@dataclass(frozen=True)
class KnownHost:
    """What known_hosts says of one host."""

    keys: tuple[KnownKey, ...] = ()
    revoked: tuple[KnownKey, ...] = ()
    authorities: tuple[KnownKey, ...] = ()


def look_up(address: str, port: int) -> KnownHost:
    """What is known of a host. As for ssh, a key kept without a port is good for every port where none is kept with it.

    Args:
        address: as it is connected to.
        port: its SSH port.
    """
    lines = [line for path in FILES for line in _lines_of(path)]
    found = _select(lines, known_name(address, port))
    if port == 22 or found.keys or found.authorities:
        return found
    plain = _select(lines, address)
    return KnownHost(plain.keys, found.revoked + plain.revoked, plain.authorities)


def remember(address: str, port: int, kind: str, key: str) -> Path:
    """Add a host's key, as ssh does when it is told to accept new ones. Returns: the file that has it now.

    Args:
        address: as it is connected to.
        port: its SSH port.
        kind: the key's kind.
        key: the key, as base64.

    Raises:
        OSError: it can't be written.
    """
    path = FILES[0].expanduser()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{known_name(address, port)} {kind} {key}\n".encode()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # hosts are connected many at once
        size = os.fstat(descriptor).st_size
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, b"\n" + line if torn else line)
    finally:
        os.close(descriptor)
    return path


@dataclass(frozen=True)
class _Line:
    marker: str
    names: str
    key: KnownKey


def _select(lines: list[_Line], name: str) -> KnownHost:
    chosen: dict[str, list[KnownKey]] = {"": [], "@revoked": [], "@cert-authority": []}
    for line in lines:
        if line.marker in chosen and _matches(line.names, name):
            chosen[line.marker].append(line.key)
    return KnownHost(tuple(chosen[""]), tuple(chosen["@revoked"]), tuple(chosen["@cert-authority"]))


def _matches(names: str, name: str) -> bool:
    if names.startswith("|1|"):
        return _is_hash_of(names, name)
    matched = False
    for pattern in names.split(","):
        # Brackets are part of a name with a port, not a choice of letters.
        plain = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatch.fnmatchcase(name.lower(), plain.lower()):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        _, _, salt, digest = hashed.split("|")
        key, wanted = base64.b64decode(salt), base64.b64decode(digest)
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(key, name.lower().encode(), hashlib.sha1).digest(), wanted)


def _lines_of(path: Path) -> tuple[_Line, ...]:
    path = path.expanduser()
    try:
        return _parsed(path, path.stat().st_mtime_ns, path.stat().st_size)
    except OSError:
        return ()


@functools.lru_cache(maxsize=8)
def _parsed(path: Path, changed: int, size: int) -> tuple[_Line, ...]:
    return tuple(_parse(path.read_text(errors="replace")))


def _parse(text: str) -> Iterator[_Line]:
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3:
            continue
        try:
            data = base64.b64decode(words[2], validate=True)
        except (ValueError, binascii.Error):
            continue
        yield _Line(marker, words[0], KnownKey(words[1], data))
