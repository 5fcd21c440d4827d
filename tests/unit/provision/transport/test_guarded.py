"""The guarded socket reads ahead, and gives away only what has been read."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from kprov.provision.transport.guarded import LARGEST_LOGIN, GuardedSocket
from kprov.provision.transport.target import Target

PATIENCE = 60.0


@pytest.fixture
def pair() -> Iterator[tuple[GuardedSocket, socket.socket]]:
    near, far = socket.socketpair()
    near.settimeout(PATIENCE)
    with near, far:
        yield GuardedSocket(near, Target(name="m", address="192.0.2.1")), far


def test_what_came_is_given_in_pieces(pair: tuple[GuardedSocket, socket.socket]) -> None:
    guard, machine = pair
    machine.sendall(b"SSH-2.0-x\r\nmore")
    assert guard.recv(4) == b"SSH-" and not guard.is_empty
    with pytest.raises(ValueError, match="not read"):
        guard.release()
    assert guard.recv(100) == b"2.0-x\r\nmore" and guard.is_empty
    assert (guard.received, guard.first) == (15, b"SSH-2.0-x\r\nmore")
    machine.sendall(b"next")
    with guard.release() as given:
        assert given.recv(10) == b"next"
    with pytest.raises(OSError, match=r"descriptor|not connected"):
        guard.recv(1)


def test_the_end_comes_after_all_that_was_said(pair: tuple[GuardedSocket, socket.socket]) -> None:
    guard, machine = pair
    machine.sendall(b"word")
    machine.shutdown(socket.SHUT_WR)
    assert [guard.recv(2), guard.recv(2), guard.recv(2)] == [b"wo", b"rd", b""]


def test_a_stranger_that_talks_without_end_is_cut_off(pair: tuple[GuardedSocket, socket.socket]) -> None:
    guard, machine = pair

    def talk() -> None:
        try:
            while True:
                machine.sendall(bytes(1 << 16))
        except OSError:
            pass

    talker = threading.Thread(target=talk)
    talker.start()
    with pytest.raises(ConnectionResetError):
        _read_until(guard, 4 * LARGEST_LOGIN)
    assert guard.received <= LARGEST_LOGIN + (1 << 16) and guard.reason is not None
    talker.join(PATIENCE)
    assert not talker.is_alive()


def _read_until(guard: GuardedSocket, count: int) -> None:
    while guard.received <= count:
        guard.recv(1 << 16)


def test_closing_wakes_who_waits(pair: tuple[GuardedSocket, socket.socket]) -> None:
    guard, _ = pair
    heard: list[object] = []

    def wait() -> None:
        try:
            heard.append(guard.recv(1))
        except OSError as error:
            heard.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    guard.close()
    waiter.join(PATIENCE / 2)  # sooner than the socket itself would give up
    assert not waiter.is_alive() and heard[0] != b"x"
