"""Where a machine is and how to get in: the inventory's connection variables, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypedDict


class HostLike(Protocol):
    """What transport needs to know of an inventory's host."""

    @property
    def name(self) -> str:
        """The host's name in the inventory."""

    @property
    def address(self) -> str:
        """Where it is."""

    @property
    def port(self) -> int:
        """Its SSH port."""

    @property
    def user(self) -> str | None:
        """Whom to log in as."""

    @property
    def variables(self) -> Mapping[str, Any]:
        """Its merged variables."""


@dataclass(frozen=True)
class Target:
    """One machine's way in."""

    name: str
    address: str
    port: int = 22
    user: str = "root"
    local: bool = False
    key_files: tuple[str, ...] = ()
    pinned_key: str | None = None
    password: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    transport: str = "paramiko"
    ssh_name: str | None = None
    jump: Target | None = None
    become: bool = True
    become_user: str = "root"
    become_password: str | None = field(default=None, repr=False)
    python: str = "python3"
    lock_path: str | None = None
    connect_timeout: float = 10.0
    login_timeout: float = 30.0
    silence_timeout: float = 60.0


class Waits(TypedDict):
    """How long each wait may be, seconds."""

    connect_timeout: float
    login_timeout: float
    silence_timeout: float


def _truth(value: Any, default: bool) -> bool:
    if value is None:
        return default
    if isinstance(value, str):
        return value.strip().lower() in {"yes", "true", "on", "1"}
    return bool(value)


def _jump(text: str, keys: tuple[str, ...], pinned: str | None, waits: Waits) -> Target:
    """A jump host written as [user@]address[:port]."""
    user, _, rest = text.rpartition("@")
    address, _, port = rest.partition(":")
    return Target(
        name=text,
        address=address,
        port=int(port or 22),
        user=user or "root",
        key_files=keys,
        pinned_key=pinned,
        **waits,
    )


def target_of(
    host: HostLike,
    connect_timeout: float = 10.0,
    hosts: Mapping[str, HostLike] | None = None,
    *,
    login_timeout: float = 30.0,
    silence_timeout: float = 60.0,
) -> Target:
    """Read a host's connection variables.

    Args:
        host: from the inventory.
        connect_timeout: seconds for the connection to come about, where the host says nothing of its own.
        hosts: all hosts, so that `kprov_jump_host` may name one of them.
        login_timeout: seconds for the login, and for the agent to start.
        silence_timeout: seconds after which a machine that says nothing, or takes nothing, is given up.
    """
    variables = host.variables
    timeout = float(variables.get("ansible_ssh_timeout") or variables.get("ansible_timeout") or connect_timeout)
    waits = Waits(connect_timeout=timeout, login_timeout=login_timeout, silence_timeout=silence_timeout)
    key = variables.get("ansible_ssh_private_key_file") or variables.get("ansible_private_key_file")
    keys = (str(Path(str(key)).expanduser()),) if key else ()
    jump_name = variables.get("kprov_jump_host")
    jump: Target | None = None
    if jump_name and hosts and str(jump_name) in hosts and str(jump_name) != host.name:
        jump = target_of(
            hosts[str(jump_name)],
            connect_timeout,
            login_timeout=login_timeout,
            silence_timeout=silence_timeout,
        )
    elif jump_name:
        pinned = variables.get("kprov_jump_host_key")
        jump = _jump(str(jump_name), keys, str(pinned) if pinned else None, waits)
    user = host.user or "root"
    passphrase = variables.get("ansible_ssh_private_key_passphrase")
    password = variables.get("ansible_password") or variables.get("ansible_ssh_pass")
    become_password = variables.get("ansible_become_password") or variables.get("ansible_become_pass")
    pinned_key = variables.get("kprov_host_key")
    return Target(
        name=host.name,
        address=host.address,
        port=int(host.port or 22),
        user=user,
        local=variables.get("ansible_connection") == "local",
        key_files=keys,
        pinned_key=str(pinned_key) if pinned_key else None,
        password=str(password) if password is not None else None,
        passphrase=str(passphrase) if passphrase is not None else None,
        transport=str(variables.get("kprov_transport") or "paramiko"),
        jump=jump,
        # Everything that kprov does to a machine needs root: it becomes root unless told not to.
        become=_truth(variables.get("ansible_become"), True),
        become_user=str(variables.get("ansible_become_user") or "root"),
        become_password=str(become_password) if become_password is not None else None,
        lock_path=str(variables["kprov_lock_path"]) if variables.get("kprov_lock_path") else None,
        python=str(variables.get("ansible_python_interpreter") or "python3"),
        **waits,
    )
