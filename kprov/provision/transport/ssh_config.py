"""The user's ~/.ssh/config, for what the inventory leaves open: HostName, Port, User, IdentityFile, ProxyJump.

As with Ansible, a name in the inventory may be one that only ssh knows. The inventory comes before ssh_config, which
comes before kprov's defaults.
"""

from __future__ import annotations

import functools
import glob
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.provision.transport import lean_imports
from kprov.provision.transport.errors import Unreachable

FILES = (Path("~/.ssh/config"), Path("/etc/ssh/ssh_config"))


@dataclass(frozen=True)
class Entry:
    """What ssh_config says of a host; None where it says nothing."""

    address: str | None = None
    port: int | None = None
    user: str | None = None
    key_files: tuple[str, ...] = ()
    jump: str | None = None
    proxy_command: str | None = None


def look_up(name: str) -> Entry:
    """What ssh_config says of a host.

    Args:
        name: as one would give it to ssh.

    Raises:
        Unreachable: the file cannot be understood.
    """
    found: dict[str, Any] = {}
    for path in FILES:
        path = path.expanduser()
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            continue
        # The first to say something is right, as for ssh itself.
        found = {**_read(path, changed, name), **found}
    return _entry(found)


@functools.lru_cache(maxsize=4096)
def _read(path: Path, changed: int, name: str) -> Mapping[str, Any]:
    try:
        # paramiko adds the name itself as HostName, where nothing else does.
        found = dict(_parsed(path, changed).lookup(name))
    except Unreachable:
        raise
    except Exception as error:
        raise _not_understood(path, error) from None
    if found.get("hostname") == name:
        del found["hostname"]
    return found


_BLOCK = re.compile(r"\s*(?:host|match)\b", re.IGNORECASE)
_INCLUDE = re.compile(r"\s*include(?:\s*=\s*|\s+)(.*)", re.IGNORECASE)
_DEEPEST = 16


def _whole(path: Path, folder: Path, depth: int = 0) -> str:
    """A file's text with those that it includes in their places.

    Source: ssh_config(5), Include: names are shell patterns, seen from the folder of the file that ssh itself reads.
    What follows an Include belongs to the block that it stands in.
    """
    if depth > _DEEPEST:
        raise ValueError(f"it includes itself, or others more than {_DEEPEST} levels deep")
    block, lines = "Host *", []
    for line in path.read_text().splitlines():
        include = _INCLUDE.match(line)
        if include is None:
            block = line if _BLOCK.match(line) else block
            lines.append(line)
            continue
        for name in shlex.split(include[1], comments=True):
            # A pattern that fits nothing is no mistake.
            for found in sorted(glob.glob(str(folder / Path(name).expanduser()))):  # noqa: PTH207 - may be absolute
                lines.append(_whole(Path(found), folder, depth + 1))
        lines.append(block)
    return "\n".join(lines)


@functools.lru_cache(maxsize=8)
def _parsed(path: Path, changed: int) -> Any:
    paramiko = lean_imports.import_paramiko()
    try:
        text = _whole(path, path.parent)
        if "exec" in text.lower():
            lean_imports.allow_match_exec()
        return paramiko.SSHConfig.from_text(text)
    except (OSError, paramiko.SSHException, ValueError, RuntimeError) as error:
        raise _not_understood(path, error) from None


def _not_understood(path: Path, error: BaseException) -> Unreachable:
    return Unreachable(f"{path} cannot be understood ({error or type(error).__name__}): correct it")


def _expanded(path: str) -> Path:
    return Path(path).expanduser()


def _entry(found: Mapping[str, Any]) -> Entry:
    def word(key: str) -> str | None:
        value = found.get(key)
        return str(value) if value and str(value).lower() != "none" else None

    port = word("port")
    if port is not None and not port.isdigit():
        raise Unreachable(f"~/.ssh/config says Port {port}, which is no number")
    return Entry(
        address=word("hostname"),
        port=int(port) if port else None,
        user=word("user"),
        # ssh passes over those that are not there.
        key_files=tuple(str(path) for path in map(_expanded, found.get("identityfile", ())) if path.exists()),
        jump=word("proxyjump"),
        proxy_command=word("proxycommand"),
    )
