"""SSH: one connection and one channel a host; every way that it can fail told apart."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fabric
import paramiko

from kprov.provision.transport import bootstrap, host_keys
from kprov.provision.transport.errors import (
    AuthenticationRefused,
    ConnectionLost,
    NameNotResolved,
    Refused,
    SudoRefused,
    TimedOut,
    Unreachable,
)
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target

KEEPALIVE = 15

# What was sent and not taken for so long, seconds, ends the connection: the machine was unplugged, or is stuck.
UNTAKEN = 60

# How long one look at the channel takes at most.
_SLICE = 0.2

# What paramiko's threads have to say goes nowhere unless somebody asks for it: without a handler Python would print it
# between kprov's own lines.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class SSHPipe:
    """An SSH channel as a pipe.

    Args:
        channel: the open channel, its program started.
        close: ends the connection.
    """

    def __init__(self, channel: paramiko.Channel, close: Callable[[], None]) -> None:
        self._channel = channel
        self._transport = channel.get_transport()
        self._close = close
        self._errors = b""
        self.errors_total = 0
        # Set once: whoever writes must not change how long another thread waits for input.
        channel.settimeout(_SLICE)

    def write(self, data: bytes, seconds: float) -> None:
        """Send all of it."""
        deadline = time.monotonic() + seconds
        view = memoryview(data)
        while view:
            try:
                sent = self._channel.send(bytes(view[: 1 << 15]))
                if not sent:
                    raise EOFError
                view = view[sent:]
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise TimeoutError from None
            except paramiko.SSHException as error:  # a rekeying that does not come to its end
                raise OSError(str(error)) from None

    def read(self, timeout: float) -> bytes:
        """Some bytes; b"" at the end."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self._channel.recv(1 << 16)
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise TimeoutError from None

    def ready(self) -> bool:
        """Whether read() would return at once."""
        return self._channel.recv_ready()

    def writable(self) -> bool:
        """Whether a few bytes could be written at once: no rekeying is under way and the other side takes something."""
        return self._channel.send_ready() and self._transport.clear_to_send.is_set()

    def errors(self) -> bytes:
        """Standard error's end."""
        for _ in range(64):  # who writes without end must not keep us here
            if not self._channel.recv_stderr_ready():
                break
            data = self._channel.recv_stderr(1 << 16)
            if not data:
                break
            self.errors_total += len(data)
            self._errors = (self._errors + data)[-8192:]
        return self._errors

    def exit_code(self) -> int | None:
        """The exit code, after a moment's wait for the end."""
        self._channel.status_event.wait(2)
        return self._channel.exit_status if self._channel.exit_status_ready() else None

    def close(self) -> None:
        """End the connection. Without a farewell, for which a machine that takes nothing would let us wait."""
        self._close()


def open_socket(target: Target) -> socket.socket:
    """A TCP connection without Nagle's delay, which costs 40 ms a request.

    Raises:
        NameNotResolved, Refused, TimedOut, Unreachable: why not.
    """
    where = f"{target.address}:{target.port}"
    try:
        candidates = socket.getaddrinfo(target.address, target.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NameNotResolved(
            f"the name {target.address} of {target.name} has no address ({error.strerror}): correct ansible_host"
        ) from None
    last: OSError | None = None
    for family, kind, protocol, _, address in candidates:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(target.connect_timeout)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(AttributeError, OSError):  # Linux has it
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN * 1000)
        connection.settimeout(None)
        return connection
    if isinstance(last, ConnectionRefusedError):
        raise Refused(f"{where} refuses connections: is sshd running there, and is the port right?")
    if isinstance(last, TimeoutError):
        raise TimedOut(
            f"{where} did not answer within {target.connect_timeout:g} s: is the machine up, and does a firewall "
            f"let SSH through?"
        )
    raise Unreachable(
        f"{where} cannot be reached: {last.strerror if last else 'no address'}: is the machine up, and is the address "
        f"right?"
    )


def _tried(target: Target) -> str:
    """Which ways in were tried, for the message."""
    tried = [f"key {path}" for path in target.key_files]
    try:
        keys = paramiko.Agent().get_keys()
    except Exception:
        keys = ()
    tried += [f"{len(keys)} keys of ssh-agent"] if keys else []
    if not target.key_files:
        found = [path.name for path in sorted(Path("~/.ssh").expanduser().glob("id_*")) if path.suffix != ".pub"]
        tried += [f"~/.ssh/{name}" for name in found]
    tried += ["a password"] if target.password else []
    return (
        ", ".join(tried)
        or "no key at all (there is none in ~/.ssh, none in ssh-agent, and no ansible_ssh_private_key_file)"
    )


def open_client(
    target: Target, accept_new: bool, warn: Callable[[str], None] | None
) -> tuple[fabric.Connection, list[fabric.Connection]]:
    """An authenticated connection, and those to jump hosts that it rests on.

    Raises:
        Unreachable: why not.
    """
    below: list[fabric.Connection] = []
    for path in target.key_files:
        if not Path(path).exists():
            raise AuthenticationRefused(
                f"the key {path} of {target.name} does not exist: correct ansible_ssh_private_key_file"
            )
    if target.jump is not None:
        try:
            jump, below = open_client(target.jump, accept_new, warn)
        except Unreachable as error:
            error.message = f"through jump host {target.jump.name}: {error.message}"
            raise
        below = [*below, jump]
        try:
            sock: Any = jump.transport.open_channel(
                "direct-tcpip", (target.address, target.port), ("127.0.0.1", 0), timeout=target.connect_timeout
            )
        except paramiko.SSHException as error:
            _close_all(below)
            raise Unreachable(
                f"jump host {target.jump.name} cannot reach {target.address}:{target.port} "
                f"({getattr(error, 'text', None) or error}): is the machine up, and does sshd on the jump host allow "
                f"AllowTcpForwarding?"
            ) from None
    else:
        sock = open_socket(target)
    options: dict[str, Any] = {
        "sock": sock,
        "timeout": target.connect_timeout,
        "banner_timeout": max(15.0, target.connect_timeout),
        "auth_timeout": max(15.0, target.connect_timeout),
        # A named key is the one that is meant; others would only use up sshd's MaxAuthTries.
        "look_for_keys": not target.key_files and target.password is None,
        "allow_agent": True,
    }
    if target.key_files:
        options["key_filename"] = list(target.key_files)
    if target.password is not None:
        options["password"] = target.password
    config = fabric.Config(lazy=True)
    connection = fabric.Connection(
        target.address, user=target.user, port=target.port, connect_kwargs=options, config=config
    )
    host_keys.prepare(connection.client, target, accept_new, warn)
    try:
        connection.open()
    except BaseException as error:
        connection.close()
        sock.close()
        _close_all(below)
        raise _explain(error, target) from None
    assert connection.transport is not None
    connection.transport.set_keepalive(KEEPALIVE)
    return connection, below


def _explain(error: BaseException, target: Target) -> BaseException:
    """A library's exception in terms of what to do."""
    if isinstance(error, Unreachable) or not isinstance(error, Exception):
        return error
    if isinstance(error, paramiko.BadHostKeyException):
        return host_keys.mismatch(target, error.expected_key, error.key)
    if isinstance(error, paramiko.PasswordRequiredException):
        return AuthenticationRefused(
            f"the key {', '.join(target.key_files)} is sealed with a passphrase: add it to ssh-agent (ssh-add)"
        )
    if isinstance(error, paramiko.AuthenticationException) or "No authentication methods available" in str(error):
        return AuthenticationRefused(
            f"{target.address} does not let {target.user} in; tried: {_tried(target)}. "
            f"Put the public key into ~{target.user}/.ssh/authorized_keys there, or correct ansible_user or "
            f"ansible_ssh_private_key_file"
        )
    if "banner" in str(error).lower() and "timed out" not in str(error).lower():
        return Unreachable(
            f"what answers on {target.address}:{target.port} is no SSH server: correct ansible_host or ansible_port"
        )
    if isinstance(error, TimeoutError) or "banner" in str(error).lower():
        return TimedOut(
            f"{target.address}:{target.port} is open but no SSH server answered in time ({error or 'timeout'})"
        )
    if isinstance(error, (OSError, EOFError)):
        return ConnectionLost(
            f"{target.address} ended the connection while it came about ({error or type(error).__name__}): see "
            f"sshd's log there"
        )
    return Unreachable(f"SSH to {target.address} failed: {error or type(error).__name__}")


def _close_all(connections: list[fabric.Connection]) -> None:
    for connection in reversed(connections):
        connection.close()


def connect(target: Target, *, accept_new: bool = False, warn: Callable[[str], None] | None = None) -> AgentLink:
    """Start an agent on a machine over SSH.

    Args:
        target: the machine.
        accept_new: take an unknown host key and remember it.
        warn: told of what a person should know.

    Raises:
        Unreachable: why not, and what to do.
    """
    connection, below = open_client(target, accept_new, warn)

    def close() -> None:
        connection.close()
        _close_all(below)

    try:
        assert connection.transport is not None
        channel = connection.transport.open_session(timeout=max(15.0, target.connect_timeout))
        channel.exec_command(bootstrap.command(target))
        link = AgentLink(target, SSHPipe(channel, close))
        link.start()
        if link.greeting is not None and link.greeting.uid != 0 and not target.become:
            raise SudoRefused(
                f"{target.user} is not root on {target.name}, and kprov needs root there: set ansible_become: true, "
                f"or connect as root"
            )
    except BaseException as error:
        close()
        raise _explain(error, target) from None
    return link


def wait_for_ssh(target: Target, seconds: float, pause: float = 0.5) -> bool:
    """Wait until a machine's SSH port answers (after it was started)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            open_socket(target).close()
            return True
        except Unreachable:
            time.sleep(pause)
    return False
