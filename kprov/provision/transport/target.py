"""Where a machine is and how to get in: the inventory's connection variables, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypedDict

from kprov.provision.transport import ssh_config
from kprov.provision.transport.errors import Unreachable


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
    unprivileged: bool = False
    """Nothing that needs root is to be done there: the agent may be the connection's user."""
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


def split_address(text: str) -> tuple[str | None, str, int | None]:
    """User, host and port of `[user@]host[:port]`; an IPv6 address with a port stands in brackets.

    Raises:
        Unreachable: the port is no number.
    """
    user, _, rest = text.strip().removeprefix("ssh://").rpartition("@")
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    elif rest.count(":") > 1:
        host, port = rest, ""
    else:
        host, _, port = rest.partition(":")
    if port and not port.isdigit():
        raise Unreachable(f"the jump host {text!r} has the port {port!r}, which is no number")
    return user or None, host, int(port) if port else None


def _jump(text: str, keys: tuple[str, ...], pinned: str | None, waits: Waits, transport: str) -> Target:
    """Jump hosts as `ssh -J` takes them: [user@]host[:port], separated by commas, in the order of the way."""
    before, _, last = text.rpartition(",")
    user, name, port = split_address(last)
    entry = ssh_config.look_up(name)
    further = before or entry.jump
    return Target(
        name=last.strip(),
        address=entry.address or name,
        port=port or entry.port or 22,
        user=user or entry.user or "root",
        key_files=keys or entry.key_files,
        pinned_key=pinned,
        transport=transport,
        ssh_name=name,
        jump=_jump(further, keys, None, waits, transport) if further else None,
        **waits,
    )


def target_of(
    host: HostLike,
    connect_timeout: float = 10.0,
    hosts: Mapping[str, HostLike] | None = None,
    *,
    login_timeout: float = 30.0,
    silence_timeout: float = 60.0,
    through: tuple[str, ...] = (),
) -> Target:
    """Read a host's connection variables, and what ssh_config says where they are silent.

    Args:
        host: from the inventory.
        connect_timeout: seconds for the connection to come about, where the host says nothing of its own.
        hosts: all hosts, so that `kprov_jump_host` may name one of them.
        login_timeout: seconds for the login, and for the agent to start.
        silence_timeout: seconds after which a machine that says nothing, or takes nothing, is given up.
        through: the hosts that this one is the jump host of.

    Raises:
        Unreachable: they contradict themselves.
    """
    variables = host.variables
    local = variables.get("ansible_connection") == "local"
    timeout = float(variables.get("ansible_ssh_timeout") or variables.get("ansible_timeout") or connect_timeout)
    waits = Waits(connect_timeout=timeout, login_timeout=login_timeout, silence_timeout=silence_timeout)
    transport = str(variables.get("kprov_transport") or "paramiko")
    entry = ssh_config.Entry() if local else ssh_config.look_up(host.address)
    key = variables.get("ansible_ssh_private_key_file") or variables.get("ansible_private_key_file")
    keys = (str(Path(str(key)).expanduser()),) if key else ()
    jump_name = str(variables.get("kprov_jump_host") or "")
    jump: Target | None = None
    if jump_name and hosts and jump_name in hosts and jump_name != host.name:
        if jump_name in through:
            raise Unreachable(
                f"its jump hosts lead back to itself ({' -> '.join([*through, host.name, jump_name])}): correct "
                f"kprov_jump_host"
            )
        jump = target_of(
            hosts[jump_name],
            connect_timeout,
            hosts,
            login_timeout=login_timeout,
            silence_timeout=silence_timeout,
            through=(*through, host.name),
        )
    elif jump_name or entry.jump:
        pinned = variables.get("kprov_jump_host_key")
        jump = _jump(jump_name or str(entry.jump), keys, str(pinned) if pinned else None, waits, transport)
    elif entry.proxy_command and transport != "openssh":
        raise Unreachable(
            f"~/.ssh/config has a ProxyCommand for {host.address}, which only the ssh program can follow: set "
            f"kprov_transport: openssh"
        )
    passphrase = variables.get("ansible_ssh_private_key_passphrase")
    password = variables.get("ansible_password") or variables.get("ansible_ssh_pass")
    become_password = variables.get("ansible_become_password") or variables.get("ansible_become_pass")
    pinned_key = variables.get("kprov_host_key")
    return Target(
        name=host.name,
        address=entry.address or host.address,
        port=int(variables.get("ansible_port") or entry.port or host.port or 22),
        user=str(variables.get("ansible_user") or entry.user or host.user or "root"),
        local=local,
        key_files=keys or (entry.key_files if password is None else ()),
        pinned_key=str(pinned_key) if pinned_key else None,
        password=str(password) if password is not None else None,
        passphrase=str(passphrase) if passphrase is not None else None,
        transport=transport,
        ssh_name=host.address,
        jump=jump,
        # Everything that kprov does to a machine needs root: it becomes root unless told not to.
        become=_truth(variables.get("ansible_become"), True),
        become_user=str(variables.get("ansible_become_user") or "root"),
        become_password=str(become_password) if become_password is not None else None,
        lock_path=str(variables["kprov_lock_path"]) if variables.get("kprov_lock_path") else None,
        python=str(variables.get("ansible_python_interpreter") or "python3"),
        **waits,
    )
