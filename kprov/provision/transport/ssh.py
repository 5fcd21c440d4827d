"""SSH: one connection and one channel a host; every way that it can fail told apart."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import paramiko

from kprov.provision.transport import bootstrap, host_keys, lean_imports, quick_login, reasons
from kprov.provision.transport.client_keys import check_files, passphrase_of
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.guarded import GuardedSocket
from kprov.provision.transport.jump_hosts import JumpHosts, Share
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.resumable import ResumableTransport, ResumedTransport, State
from kprov.provision.transport.ssh_failures import explain
from kprov.provision.transport.startups import gate_of
from kprov.provision.transport.target import Target
from kprov.provision.transport.tcp import open_socket

if TYPE_CHECKING:
    import fabric

KEEPALIVE = 15

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
        self._transport: ResumableTransport = channel.get_transport()  # type: ignore[assignment]
        self._close = close
        self._errors = b""
        self.errors_total = 0
        # Set once: whoever writes must not change how long another thread waits for input.
        channel.settimeout(_SLICE)

    def write(self, data: bytes | memoryview, seconds: float) -> None:
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
        status = self._channel.exit_status if self._channel.exit_status_ready() else -1
        return None if status == -1 else status  # paramiko's -1: the connection ended, and no status had come

    def refused(self) -> Unreachable | None:
        """It came about before there was a pipe."""
        return None

    def prepare_to_leave(self, seconds: float) -> None:
        """The run is about to end: after `leave` the thread will go on for so long at most."""
        cast(GuardedSocket, self._transport.sock).be_attentive(seconds)

    def leave(self) -> None:
        """Nothing more is sent or read here: `laid_down` gives what another process goes on with."""
        self._transport.leave()

    def laid_down(self, seconds: float) -> tuple[socket.socket, State]:
        """The connection's socket, and what else is needed to take it up.

        Raises:
            NotResumable: it can't be.
        """
        return self._transport.laid_down(seconds)

    def close(self) -> None:
        """End the connection. Without a farewell, for which a machine that takes nothing would let us wait."""
        self._close()


def _socket_of(target: Target, jump: Client | None) -> GuardedSocket:
    """TCP to a machine, or a channel to it through its jump host."""
    if jump is None:
        return GuardedSocket(open_socket(target), target)
    try:
        channel = jump.transport.open_channel(
            "direct-tcpip", (target.address, target.port), ("127.0.0.1", 0), timeout=target.connect_timeout
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise reasons.jump_cannot_reach(target, getattr(error, "text", None) or error) from None
    return GuardedSocket(channel, target)


@dataclass(frozen=True)
class Client:
    """An authenticated connection, and its share of the one to its jump host that it rests on."""

    connection: fabric.Connection
    guard: GuardedSocket
    below: Share[Client] | None

    @property
    def transport(self) -> quick_login.QuickTransport:
        """Its SSH."""
        transport: quick_login.QuickTransport = self.connection.transport
        return transport

    def close(self) -> None:
        """End it, and what it rests on."""
        self.connection.close()
        if self.below is not None:
            self.below.close()


_jump_hosts: JumpHosts[Client] = JumpHosts(lambda client: client.transport.is_active())


def open_client(
    target: Target, accept_new: bool, warn: Callable[[str], None] | None, *, session: bool = True
) -> Client:
    """Log in, through the jump host where there is one; when sshd turns the login away, again.

    Raises:
        Unreachable: why not.
    """
    check_files(target)
    below: Share[Client] | None = None
    if target.jump is not None:
        below = _jump(target.jump, accept_new, warn)
    try:
        return gate_of(target).through(
            lambda: _open(target, below, accept_new, warn, session), patience=target.login_timeout, warn=warn
        )
    except BaseException:
        if below is not None:
            below.close()
        raise


def _jump(target: Target, accept_new: bool, warn: Callable[[str], None] | None) -> Share[Client]:
    def open_() -> Client:
        client = open_client(target, accept_new, warn, session=False)
        client.guard.established()
        return client

    try:
        return _jump_hosts.share(target, open_)
    except Unreachable as error:
        # Several may wait for one connection: each gets an error of its own to say more in.
        raise type(error)(f"through jump host {target.name}: {error.message}") from None


def _open(
    target: Target,
    below: Share[Client] | None,
    accept_new: bool,
    warn: Callable[[str], None] | None,
    session: bool,
) -> Client:
    guard: GuardedSocket | None = None
    try:
        guard = _socket_of(target, below.connection if below is not None else None)
        connection = _log_in(target, guard, accept_new, warn, session)
    except BaseException as error:
        if guard is not None:
            guard.close()
        raise explain(error, target, guard) from None
    return Client(connection, guard, below)


def _log_in(
    target: Target, guard: GuardedSocket, accept_new: bool, warn: Callable[[str], None] | None, session: bool
) -> fabric.Connection:
    policy = host_keys.Policy(target, accept_new, warn)

    def transport(sock: Any, **options: Any) -> quick_login.QuickTransport:
        made = quick_login.QuickTransport(sock, sure=session and quick_login.is_sure(target), **options)
        policy.prefer(made)
        return made

    options: dict[str, Any] = {
        "sock": guard,
        "transport_factory": transport,
        # The guard looks at the time; these come after it, and know less of what it was that took so long.
        "timeout": target.login_timeout + 5,
        "banner_timeout": target.login_timeout + 5,
        "auth_timeout": target.login_timeout + 5,
        # A named key is the one that is meant; others would only use up sshd's MaxAuthTries.
        "look_for_keys": not target.key_files and target.password is None,
        "allow_agent": True,
        **quick_login.login_options(target.key_files),
    }
    if target.password is not None:
        options["password"] = target.password
    passphrase = passphrase_of(target)
    if passphrase is not None:
        options["passphrase"] = passphrase
    library = lean_imports.import_fabric()
    config = library.Config(lazy=True)  # for this connection alone: Fabric changes it while it makes one
    connection: fabric.Connection = library.Connection(
        target.address, user=target.user, port=target.port, connect_kwargs=options, config=config
    )
    connection.client.set_missing_host_key_policy(policy)
    try:
        connection.open()
    except BaseException:
        connection.close()
        raise
    connection.transport.set_keepalive(KEEPALIVE)
    return connection


def take_up(target: Target, sock: socket.socket, state: State) -> SSHPipe:
    """Go on with a connection that another process laid down.

    Args:
        target: the machine.
        sock: its socket.
        state: what came with it.

    Raises:
        Unreachable: the key that the machine showed then is not, or no longer, the one it is known by.
    """
    guard = GuardedSocket(sock, target)
    transport = ResumedTransport(guard, state)
    policy = host_keys.Policy(target, accept_new=False, warn=None)
    policy.prefer(transport)
    policy.missing_host_key(cast(Any, None), target.address, cast(paramiko.PKey, transport.host_key))
    guard.established()
    transport.resume()
    transport.set_keepalive(KEEPALIVE)
    return SSHPipe(transport.channel, transport.close)


def connect(
    target: Target, *, accept_new: bool = False, warn: Callable[[str], None] | None = None, greet: bool = True
) -> AgentLink:
    """Start an agent on a machine over SSH.

    Args:
        target: the machine.
        accept_new: take an unknown host key and remember it.
        warn: told of what a person should know.
        greet: wait until the agent has started; else the first `wait` does, and what keeps it from starting is raised
            there.

    Raises:
        Unreachable: why not, and what to do.
    """
    client = open_client(target, accept_new, warn)
    try:
        # The guard looks at the time; this comes after it.
        channel = client.transport.first_session(target.login_timeout + 5)
        link = AgentLink(target, SSHPipe(channel, client.close))
        link.send_agent()
        quick_login.run_program(channel, bootstrap.command(target))
        client.guard.established()
        link.flush()
        if greet:
            link.hear_greeting()
    except BaseException as error:
        client.close()
        raise explain(error, target, client.guard) from None
    return link
