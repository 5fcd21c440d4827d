"""Programs that are started while the connection ends."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from kprov.provision.agent import processes


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as program:
        yield program
        program.kill()
    processes.forget_all()


def test_one_that_was_started_meanwhile_is_stopped_at_once(program: subprocess.Popen[bytes]) -> None:
    assert processes.end_all() is False
    processes.begun(program.pid)
    assert program.wait(60) == -signal.SIGKILL
    processes.over(program.pid)


def test_one_that_must_be_let_finish_is_not(program: subprocess.Popen[bytes]) -> None:
    assert processes.end_all() is False
    processes.begun(program.pid, protected=True)
    assert processes.end_all() is True
    assert program.poll() is None
    processes.forget_all()
    assert not processes.ending()
