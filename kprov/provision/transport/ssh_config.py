"""The user's ~/.ssh/config, for what the inventory leaves open: HostName, Port, User, IdentityFile, ProxyJump.

As with Ansible, a name in the inventory may be one that only ssh knows. The inventory comes before ssh_config, which
comes before kprov's defaults.
"""

from __future__ import annotations

import functools
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


@functools.lru_cache(maxsize=8)
def _parsed(path: Path, changed: int) -> Any:
    paramiko = lean_imports.import_paramiko()
    try:
        text = path.read_text()
        if "exec" in text.lower():
            lean_imports.allow_match_exec()
        return paramiko.SSHConfig.from_text(text)
    except (OSError, UnicodeDecodeError, paramiko.SSHException, ValueError) as error:
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
