"""SSH by asyncssh, an extra: all connections on one event loop in one thread, instead of a thread each.

The rest of kprov stays as it is: a pipe hands bytes over between the loop and whichever thread asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncssh

from kprov.provision.transport import async_ssh_keys, bootstrap
from kprov.provision.transport.async_ssh_failures import explain
from kprov.provision.transport.client_keys import check_files, passphrase_of
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.jump_hosts import JumpHosts, Share
from kprov.provision.transport.link import AgentLink, open_link
from kprov.provision.transport.startups import gate_of
from kprov.provision.transport.target import Target
from kprov.provision.transport.tcp import open_socket

T = TypeVar("T")

# What is held for a reader that does not come; then the machine has to wait.
HELD = 2 * 1024 * 1024

# What is handed over at once.
PIECE = 64 * 1024


_making = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    """The event loop, in a thread of its own: one, whoever asks first."""
    with _making:
        return _made_loop()


@functools.cache
def _made_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="kprov-asyncssh", daemon=True).start()
    return loop


def _run(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Do something on the loop, and wait for it.

    Raises:
        TimeoutError: it took longer.
    """
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), _loop()).result()


class AsyncSSHPipe(asyncssh.SSHClientSession[bytes]):
    """A session as a pipe: the upper half runs on the loop, the lower half in whatever thread."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close
        self._changed = threading.Condition()
        self._received = bytearray()
        self._ended = False
        self._paused = False
        self._writable = True
        self._errors = b""
        self.errors_total = 0
        self._exit_code: int | None = None
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    # -- on the loop

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """The channel is open."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Output, or errors."""
        with self._changed:
            if datatype == asyncssh.EXTENDED_DATA_STDERR:
                self.errors_total += len(data)
                self._errors = (self._errors + data)[-8192:]
                return
            self._received += data
            if len(self._received) > HELD and not self._paused and self._channel is not None:
                self._paused = True
                self._channel.pause_reading()
            self._changed.notify_all()

    def pause_writing(self) -> None:
        """The machine takes nothing just now."""
        self._writable = False

    def resume_writing(self) -> None:
        """It does again."""
        with self._changed:
            self._writable = True
            self._changed.notify_all()

    def exit_status_received(self, status: int) -> None:
        """The program has ended."""
        self._exit_code = status

    def eof_received(self) -> bool:
        """No more output."""
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        self._end()

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    # -- as a pipe

    def write(self, data: bytes | memoryview, seconds: float) -> None:
        """Send all of it."""
        deadline = time.monotonic() + seconds
        view = memoryview(data)
        while view:
            with self._changed:
                self._changed.wait_for(lambda: self._writable or self._ended, max(0.0, deadline - time.monotonic()))
                if self._ended:
                    raise EOFError
                if not self._writable:
                    raise TimeoutError
            piece = bytes(view[:PIECE])
            view = view[PIECE:]
            # Handed over before the next: otherwise a machine that takes nothing would fill our memory.
            asyncio.run_coroutine_threadsafe(self._send(piece), _loop()).result(max(1.0, deadline - time.monotonic()))

    async def _send(self, piece: bytes) -> None:
        if self._channel is None or self._channel.is_closing():
            raise EOFError
        self._channel.write(piece)

    def read(self, timeout: float) -> bytes:
        """Some bytes; b"" at the end."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._received or self._ended, timeout):
                raise TimeoutError
            data = bytes(self._received[:PIECE])
            del self._received[:PIECE]
            resume = self._paused and len(self._received) < HELD // 2
            if resume:
                self._paused = False
        if resume and self._channel is not None:
            _loop().call_soon_threadsafe(self._channel.resume_reading)
        return data

    def ready(self) -> bool:
        """Whether read() would return at once."""
        with self._changed:
            return bool(self._received) or self._ended

    def writable(self) -> bool:
        """Whether a few bytes could be written at once."""
        return self._writable and not self._ended

    def errors(self) -> bytes:
        """Standard error's end."""
        return self._errors

    def exit_code(self) -> int | None:
        """The exit code, after a moment's wait for it."""
        deadline = time.monotonic() + 2
        while self._exit_code is None and time.monotonic() < deadline and not self._closed():
            time.sleep(0.02)
        return self._exit_code

    def _closed(self) -> bool:
        return self._channel is None or (self._ended and self._channel.is_closing())

    def refused(self) -> Unreachable | None:
        """It came about before there was a pipe."""
        return None

    def close(self) -> None:
        """End the connection."""
        self._end()
        self._close()


@dataclass(frozen=True)
class Client:
    """An authenticated connection, and its share of the one to its jump host."""

    connection: asyncssh.SSHClientConnection
    below: Share[Client] | None

    def close(self) -> None:
        """End it, and what it rests on."""
        _loop().call_soon_threadsafe(self.connection.abort)
        if self.below is not None:
            self.below.close()

    def is_open(self) -> bool:
        """Whether it can still be used."""
        return not self.connection.is_closed()


_jump_hosts: JumpHosts[Client] = JumpHosts(Client.is_open)


def _options(target: Target) -> dict[str, Any]:
    options: dict[str, Any] = {
        "config": None,  # what kprov takes from ssh_config is in the target
        "username": target.user,
        "keepalive_interval": target.silence_timeout / 4,
        "keepalive_count_max": 4,
        "login_timeout": target.login_timeout,
        "passphrase": passphrase_of(target),
        "compression_algs": ["none"],
        # As OpenSSH has them, but those first that the processor has instructions for.
        "encryption_algs": (
            "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
            "aes128-ctr,aes192-ctr,aes256-ctr"
        ),
    }
    if target.key_files:
        options["client_keys"] = list(target.key_files)
    elif target.password is not None:
        options["client_keys"] = None
    if target.password is not None:
        options["password"] = target.password
    return options


async def _log_in(
    target: Target, sock: Any, below: asyncssh.SSHClientConnection | None, known: async_ssh_keys.Known
) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        target.address,
        target.port,
        client_factory=lambda: async_ssh_keys.Client(known),
        known_hosts=known.asyncssh,
        server_host_key_algs=known.algorithms,
        **({"sock": sock} if below is None else {"tunnel": below}),
        **_options(target),
    )


def _open(target: Target, below: Share[Client] | None, known: async_ssh_keys.Known) -> Client:
    sock = open_socket(target) if below is None else None
    try:
        if sock is not None:
            sock.setblocking(False)
        # asyncssh looks at the time of the login; this is for what it does not look at.
        work = _log_in(target, sock, below.connection.connection if below is not None else None, known)
        return Client(_run(work, target.login_timeout + 2), below)
    except BaseException as error:
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()
        raise explain(error, target, known) from None


def open_client(target: Target, accept_new: bool, warn: Callable[[str], None] | None) -> Client:
    """Log in, through the jump host where there is one.

    Raises:
        Unreachable: why not.
    """
    check_files(target)
    known = async_ssh_keys.known(target, accept_new, warn)
    below: Share[Client] | None = None
    if target.jump is not None:
        jump = target.jump
        try:
            below = _jump_hosts.share(jump, lambda: open_client(jump, accept_new, warn))
        except Unreachable as error:
            raise type(error)(f"through jump host {jump.name}: {error.message}") from None
    try:
        return gate_of(target).through(lambda: _open(target, below, known), patience=target.login_timeout, warn=warn)
    except BaseException:
        if below is not None:
            below.close()
        raise


def connect(
    target: Target, *, accept_new: bool = False, warn: Callable[[str], None] | None = None, greet: bool = True
) -> AgentLink:
    """Start an agent on a machine by asyncssh.

    Args:
        target: the machine.
        accept_new: take an unknown host key and remember it.
        warn: told of what a person should know.
        greet: wait until the agent has started; else the first `wait` does.

    Raises:
        Unreachable: why not, and what to do.
    """
    client = open_client(target, accept_new, warn)
    try:
        pipe = AsyncSSHPipe(client.close)
        _run(
            client.connection.create_session(lambda: pipe, bootstrap.command(target), encoding=None, request_pty=False),
            target.login_timeout,
        )
    except BaseException as error:
        client.close()
        raise explain(error, target, None) from None
    try:
        return open_link(target, pipe, greet=greet)
    except BaseException as error:
        raise explain(error, target, None) from None
