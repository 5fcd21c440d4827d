"""Threads take turns at computing, and never for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from kprov.provision.engine.interpreter_turn import InterpreterTurn

PATIENCE = 60.0


class Worker:
    """A thread that takes part, and does what it is told."""

    def __init__(self, turn: InterpreterTurn) -> None:
        self.began, self.go_on, self.waits, self.answer = (threading.Event() for _ in range(4))
        self.went_on = threading.Event()
        self._turn = turn
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        with self._turn.working():
            self.began.set()
            self.go_on.wait(PATIENCE)
            with self._turn.waiting(), self._turn.waiting():  # one within the other is one
                self.waits.set()
                self.answer.wait(PATIENCE)
            self.went_on.set()

    def end(self) -> None:
        self.go_on.set()
        self.answer.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def test_one_computes_while_the_other_waits() -> None:
    turn = InterpreterTurn(longest=PATIENCE)
    first = Worker(turn)
    assert first.began.wait(PATIENCE)
    second = Worker(turn)
    assert not second.began.wait(0.2)
    first.go_on.set()
    assert first.waits.wait(PATIENCE) and second.began.wait(PATIENCE)
    first.answer.set()
    assert not first.went_on.wait(0.2), "it is the other one's turn"
    second.end()
    first.end()
    assert first.went_on.is_set() and second.went_on.is_set()


def test_who_takes_too_long_is_overtaken() -> None:
    turn = InterpreterTurn(longest=0.05)
    workers = [Worker(turn) for _ in range(5)]
    assert all(worker.began.wait(PATIENCE) for worker in workers)
    for worker in workers:
        worker.end()
    assert all(worker.went_on.is_set() for worker in workers)


def test_a_thread_that_takes_no_part_is_not_kept() -> None:
    turn = InterpreterTurn(longest=PATIENCE)
    worker = Worker(turn)
    assert worker.began.wait(PATIENCE)
    begun = time.monotonic()
    with turn.waiting():
        pass
    assert time.monotonic() - begun < PATIENCE / 2
    worker.end()


@pytest.mark.parametrize("where", ["working", "waiting"])
def test_what_is_raised_gives_the_turn_back(where: str) -> None:
    turn = InterpreterTurn(longest=PATIENCE)

    def fails() -> None:
        with turn.working():
            if where == "working":
                raise ValueError
            with turn.waiting():
                raise ValueError

    with pytest.raises(ValueError):
        fails()
    assert _soon(lambda: Worker(turn).end())


def _soon(work: Callable[[], None]) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE / 2)
    return not thread.is_alive()
