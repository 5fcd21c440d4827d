"""The lock on a cluster's state: one run at a time, who holds it is told, and nothing of it outlives its process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.engine import Engine
from kprov.provision.engine.holder import held_by, this_run
from kprov.provision.engine.state_lock import StateLock, StateLocked, StateLockError, holder_of


def test_the_second_is_told_who_and_since_when(tmp_path: Path) -> None:
    lock = StateLock(tmp_path, this_run("r1", "kprov up"))
    with pytest.raises(StateLocked) as refused:
        StateLock(tmp_path, this_run("r2", "kprov up"))
    message = str(refused.value)
    for word in ("@", "kprov up, run r1", f"process {os.getpid()}", " since 20", "wait for it"):
        assert word in message
    assert refused.value.exit_code == 5
    holder = holder_of(tmp_path)
    assert holder is not None and holder["run"] == "r1"
    lock.release()
    assert holder_of(tmp_path) is None
    StateLock(tmp_path, this_run("r2", "kprov up")).release()


def _hold(folder: Path, ready: Any) -> None:
    lock = StateLock(folder, this_run("dead", "kprov up"))
    ready.send(True)
    signal.pause()
    lock.release()


def test_nothing_is_left_of_a_killed_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path, there))
    process.start()
    assert here.recv()
    with pytest.raises(StateLocked, match="run dead"):
        StateLock(tmp_path, {})
    process.kill()
    process.join()
    assert holder_of(tmp_path) is None
    StateLock(tmp_path, {}).release()


def _starting(folder: Path, ready: Any) -> None:
    """A process that dies while a child of it still has its lock, as one that was just being started has."""
    lock = StateLock(folder, this_run("dead", "kprov up"))
    os.set_inheritable(lock._descriptor or 0, True)
    child = subprocess.Popen(["sleep", "1"], close_fds=False)
    ready.send(child.pid)
    os._exit(0)


def test_a_child_that_a_dead_process_was_starting_is_waited_for(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_starting, args=(tmp_path, there))
    process.start()
    assert here.recv()
    process.join()
    assert holder_of(tmp_path) is None, "the one who holds it is no more"
    StateLock(tmp_path, this_run("next", "kprov up")).release()


def test_damaged_words_are_no_trouble(tmp_path: Path) -> None:
    lock = StateLock(tmp_path, {"who": "x", "since": "yesterday"})
    for text in (b"\xff\x00", b"[1]", b'{"since": "soon"}', b'{"controller_pid": {}}'):
        lock.path.write_bytes(text)
        with pytest.raises(StateLocked, match="another run"):
            StateLock(tmp_path, {})
    lock.release()
    assert held_by({}) == "locked by another run (kprov, run ?): wait for it to end, or end it"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateLockError, match="Nothing was changed"):
        StateLock(tmp_path / "file", {})


def _as_nobody(folder: Path, said: Any) -> None:
    os.setgroups([])
    os.seteuid(65534)
    try:
        StateLock(folder, {})
    except StateLockError as error:
        said.send(str(error))
    said.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="root may become somebody else")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):  # as far as they are pytest's own
        folder.chmod(0o755)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_as_nobody, args=(tmp_path / "state", there))
    (tmp_path / "state").mkdir(mode=0o700)
    process.start()
    assert here.poll(10)
    message = here.recv()
    process.join()
    assert "Permission denied" in message and "belongs to root" in message and "chown" in message


def test_an_engine_holds_it_and_one_that_compares_does_not(workshop: Any) -> None:
    state = workshop.folder / "state"
    lock = {"lock": True, "lock_path": str(workshop.folder / "machine.lock")}
    first = workshop.engine(**lock, command_line="kprov up")
    with pytest.raises(StateLocked, match="kprov up"):
        workshop.engine(**lock)
    assert len(list((state / "runs").iterdir())) == 1, "a run that was refused leaves nothing"
    looking: Engine = workshop.engine(check=True, lock=None)
    looking.close()
    first.close()
    workshop.engine(**lock).close()
    assert holder_of(state) is None
