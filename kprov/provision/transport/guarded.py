"""SSH with bounds that paramiko does not set.

Until somebody has logged in, whoever answers is a stranger: it gets so many bytes and so much time. After that it still
gets no packet and no channel larger than SSH itself allows.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import Any, NoReturn

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA
from paramiko.packet import Packetizer

from kprov.provision.transport import reasons
from kprov.provision.transport.errors import ConnectionLost, Unreachable
from kprov.provision.transport.target import Target

# A login takes a few kilobytes: keys, algorithms, a banner for people.
LARGEST_LOGIN = 256 * 1024

# OpenSSH's own bound of a packet.
LARGEST_PACKET = 256 * 1024

_FIRST = 256

# Read at once, where more than one packet has come: each look at a socket lets other threads go first.
_AHEAD = 32 * 1024

# A thread that waits for its machine looks so often whether it shall stop. Closing the socket wakes it, too.
IDLE = 1.0


class GuardedSocket:
    """A socket whose other side is a stranger until `established`.

    Args:
        sock: TCP, or a channel through a jump host.
        target: who should be there, and how long its login may take.
    """

    def __init__(self, sock: Any, target: Target) -> None:
        self._sock = sock
        self._target = target
        self._deadline: float | None = time.monotonic() + target.login_timeout
        self._untaken_since: float | None = None
        self.received = 0
        self.began = b""
        """How what came begins."""
        self.first = b""
        """The first that was received: what an SSH server says of itself, or why it says nothing more."""
        self.reason: Unreachable | None = None
        """Why this guard ended the connection, if it did."""
        self._ahead = b""

    def established(self) -> None:
        """The stranger is known now."""
        self._deadline = None
        with contextlib.suppress(OSError):  # it has ended: who reads or writes will be told
            self._sock.settimeout(IDLE)

    def be_attentive(self, seconds: float) -> None:
        """Whoever waits here for what comes is soon to be told something else: it looks so often whether it was."""
        with contextlib.suppress(OSError):
            self._sock.settimeout(seconds)

    @property
    def is_empty(self) -> bool:
        """Whether all that was received was taken."""
        return not self._ahead

    def _end(self, reason: Unreachable) -> NoReturn:
        self.reason = reason
        self._sock.close()
        # With a number: paramiko's thread looks for one, and without it ends before it has told those who wait for it.
        raise ConnectionResetError(errno.ECONNRESET, reason.message)

    def _look_at_time(self) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        self._end(reasons.stuck_login(self._target) if self.received else reasons.silent_server(self._target))

    def recv(self, size: int) -> bytes:
        """Some bytes, as a socket gives them."""
        if self._deadline is not None:
            self._look_at_time()
            if self.received > LARGEST_LOGIN:
                self._end(
                    reasons.no_server(
                        self._target, f", or a broken one (it sent {self.received >> 10} KB, and nobody was logged in)"
                    )
                )
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        received: bytes = self._sock.recv(max(size, _AHEAD))
        self.received += len(received)
        if len(self.began) < 64:
            self.began += received[:64]
        if len(self.first) < _FIRST:
            self.first = (self.first + received)[:_FIRST]
        self._ahead = received[size:]
        return received[:size]

    def send(self, data: bytes) -> int:
        """Send some of it, as a socket does."""
        self._look_at_time()
        try:
            sent: int = self._sock.send(data)
        except TimeoutError:
            now = time.monotonic()
            self._untaken_since = self._untaken_since or now
            if now - self._untaken_since > self._target.silence_timeout:
                self._end(ConnectionLost(f"{self._target.name} took nothing for {self._target.silence_timeout:g} s"))
            raise
        self._untaken_since = None
        return sent

    def release(self) -> socket.socket:
        """Give the socket away: whoever reads, sends or closes here from now on does it to a closed one.

        Raises:
            TypeError: it is a channel of another connection.
            ValueError: something that came was not taken.
        """
        if not isinstance(self._sock, socket.socket):
            raise TypeError("only a socket can be given away")
        if self._ahead:
            raise ValueError("something that came was not read")
        given, self._sock = self._sock, socket.socket()
        self._sock.close()
        return given

    def close(self) -> None:
        """End the connection; a thread that waits for what comes is woken."""
        if isinstance(self._sock, socket.socket):
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class BoundedPacketizer(Packetizer):
    """Reads no packet that is larger than SSH allows, whatever length is announced."""

    def start_handshake(self, timeout: float) -> None:
        """The guard looks at the time: no thread for each connection to do the same."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read n bytes."""
        if n > LARGEST_PACKET:
            raise paramiko.SSHException(f"a packet of {n} bytes was announced, which no SSH server sends")
        data: bytes = super().read_all(n, check_rekey)
        return data


def _overflows(channel: paramiko.Channel) -> None:
    # Twice: what was read and not told to the other side yet counts against it, too.
    held = len(channel.in_buffer) + len(channel.in_stderr_buffer)
    if held > 2 * channel.in_window_size + LARGEST_PACKET:
        raise paramiko.SSHException(f"the server sends more than it may ({held >> 20} MB are waiting)")


# paramiko takes what comes for a channel by this table, and asks nowhere whether it was allowed to come.
_TAKE: dict[int, Any] = paramiko.Transport._channel_handler_table  # type: ignore[attr-defined]


def _take_output(channel: paramiko.Channel, message: paramiko.Message) -> None:
    _overflows(channel)
    _TAKE[MSG_CHANNEL_DATA](channel, message)


def _take_errors(channel: paramiko.Channel, message: paramiko.Message) -> None:
    _overflows(channel)
    _TAKE[MSG_CHANNEL_EXTENDED_DATA](channel, message)


class BoundedTransport(paramiko.Transport):
    """An SSH connection that holds no more in memory than its channels' windows."""

    _channel_handler_table = {**_TAKE, MSG_CHANNEL_DATA: _take_output, MSG_CHANNEL_EXTENDED_DATA: _take_errors}

    packetizer_class: type[BoundedPacketizer] = BoundedPacketizer

    def __init__(self, sock: Any, **options: Any) -> None:
        super().__init__(sock, packetizer_class=self.packetizer_class, **options)
