"""What may answer on an SSH port instead of an SSH server that works: each a function that serves one connection."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import paramiko

BANNER = b"SSH-2.0-OpenSSH_9.2\r\n"


def silent(connection: socket.socket) -> None:
    """Takes the connection and says nothing."""
    _until_closed(connection)


def closes_at_once(connection: socket.socket) -> None:
    """Closes it before a word."""


def banner_without_end(connection: socket.socket) -> None:
    """A gigabyte of one line."""
    for _ in range(1 << 10):
        connection.sendall(b"x" * (1 << 20))


def lines_without_end(connection: socket.socket) -> None:
    """Lines before the banner, which SSH allows, by the gigabyte."""
    for _ in range(1 << 10):
        connection.sendall(b"welcome\r\n" * (1 << 17))


def banner_in_drops(connection: socket.socket) -> None:
    """A byte a while."""
    for _ in range(10_000):
        connection.sendall(b"S")
        time.sleep(0.05)


def another_protocol(connection: socket.socket) -> None:
    """A web server."""
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def garbage_after_the_banner(connection: socket.socket) -> None:
    """Speaks SSH for one line."""
    connection.sendall(BANNER)
    for _ in range(1 << 12):
        connection.sendall(os.urandom(1 << 18))


def a_packet_of_four_gigabytes(connection: socket.socket) -> None:
    """Announces it, and begins to send it."""
    connection.sendall(BANNER + b"\xff\xff\xff\xf4\x04\x14")
    for _ in range(1 << 12):
        connection.sendall(bytes(1 << 18))


def nothing_after_the_banner(connection: socket.socket) -> None:
    """Never sends its algorithms."""
    connection.sendall(BANNER)
    _until_closed(connection)


def closes_amid_the_key_exchange(connection: socket.socket) -> None:
    """Hears the client's algorithms and goes."""
    connection.sendall(BANNER)
    connection.recv(2000)


def _until_closed(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


class _Lets(paramiko.ServerInterface):
    """A server that lets everybody in, but for one step."""

    def __init__(self, stuck: str) -> None:
        self._stuck = stuck
        self.over = threading.Event()

    def _step(self, name: str) -> None:
        if self._stuck == name:
            self.over.wait(60)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._step("login")
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, number: int) -> int:
        self._step("channel")
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._step("program")
        if self._stuck == "flood":
            channel.out_window_size = 1 << 40  # whatever the client said that it takes
            threading.Thread(target=self._flood, args=(channel,), daemon=True).start()
        if self._stuck == "end":
            threading.Thread(target=channel.transport.close, daemon=True).start()
        return True

    def _flood(self, channel: paramiko.Channel) -> None:
        # First a greeting, so that somebody waits for what the agent says.
        with contextlib.suppress(OSError, EOFError):
            channel.sendall(b"\nkprov-agent-1 3.11.2 a70d0d0a 0\n")
            channel.sendall(b"\x01\x00\x00\x00" * 4)
            for _ in range(1 << 14):
                channel.sendall_stderr(bytes(1 << 16))


def _stuck_at(step: str) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(HOST_KEY)
        lets = _Lets(step)
        try:
            transport.start_server(server=lets)
            while transport.is_active():
                time.sleep(0.05)
        except (paramiko.SSHException, EOFError):
            pass
        finally:
            lets.over.set()
            transport.close()

    serve.__name__ = f"stuck_at_the_{step}"
    return serve


HOST_KEY = paramiko.RSAKey.generate(2048)

hangs_in_the_login = _stuck_at("login")
hangs_in_the_channel = _stuck_at("channel")
hangs_before_the_program = _stuck_at("program")
ends_after_the_program = _stuck_at("end")
floods_without_leave = _stuck_at("flood")


@contextlib.contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve connections with a function. Yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                held.append(connection)
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in held:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        thread.join(5)
