"""What agents leave that were cut off, and what those after them make of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.agent import atomic, wire
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.limits import TimeUp
from kprov.provision.agent.lock import MachineLock
from kprov.provision.agent.session import Session

NOBODY = 2**22 + 1  # above the kernel's highest process id


def test_what_a_dead_agent_left_half_written_goes(module: Any, tmp_path: Path) -> None:
    (tmp_path / f".kprov-{NOBODY}-abc").write_text("half")
    (tmp_path / f".kprov-{NOBODY}-tree").mkdir()
    (tmp_path / f".kprov-{NOBODY}-tree/file").write_text("half")
    (tmp_path / f".kprov-{os.getppid()}-abc").write_text("another agent, at work")
    (tmp_path / ".kprov-archives").mkdir()
    module("copy", dest=str(tmp_path / "a.conf"), content="whole\n")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a.conf", ".kprov-archives", f".kprov-{os.getppid()}-abc"}


def test_a_folder_that_is_not_there_is_swept_in_silence(tmp_path: Path) -> None:
    atomic.sweep(str(tmp_path / "none"))


def test_a_lock_says_that_its_holder_is_leaving(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = MachineLock(str(path)), MachineLock(str(path))
    first.leaving()  # of no lock: nothing
    assert first.acquire({"run": "1"}) is None
    assert "leaving" not in (second.acquire({"run": "2"}) or {})
    first.leaving()
    found = second.acquire({"run": "2"})
    assert found and found["leaving"] is True and found["run"] == "1" == json.loads(path.read_text())["run"]
    first.release()
    assert second.acquire({"run": "2"}) is None
    second.release()
    assert not path.exists()


def test_threads_that_leave_together_remove_no_file_of_who_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []
    unlink = os.unlink

    def removing(name: str) -> None:
        unlink(name)
        removed.append(name)
        Path(name).write_text("of who comes next")

    monkeypatch.setattr(os, "unlink", removing)
    paths = [str(tmp_path / f"lock{number}") for number in range(300)]
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for path in paths:
            lock = MachineLock(path)
            assert lock.acquire({"run": "1"}) is None
            leaving = [threading.Thread(target=what) for what in (lock.release, lock.leaving, lock.release)]
            for thread in leaving:
                thread.start()
            for thread in leaving:
                thread.join()
    finally:
        sys.setswitchinterval(often)
    assert removed == paths


def test_archives_that_a_killed_run_fetched_are_dropped(module: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from kprov.provision.agent import dpkg

    there = dpkg.Package("jq", "1.6", "amd64", "install ok installed")
    monkeypatch.setattr(dpkg, "table", lambda: [there])
    (tmp_path / "abc").write_text("archive")
    (tmp_path / "abc.jq.deb").write_text("archive")
    wanted = {"name": "jq", "version": "1.6", "architecture": "amd64", "sha256": "abc", "size": 7, "path": "/x"}
    monkeypatch.setattr("kprov.provision.agent.modules.deb.POLICY", str(tmp_path / "policy"))
    assert not module("deb", check=True, packages=[wanted], cache=str(tmp_path))["changed"]
    assert (tmp_path / "abc").exists()
    assert not module("deb", packages=[wanted], cache=str(tmp_path))["changed"]
    assert not list(tmp_path.iterdir())


@pytest.fixture
def synced_folders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that were synced, one after the other."""
    found: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if Path(path).is_dir():
            found.append(path)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return found


def test_each_file_has_its_folder_synced(tmp_path: Path, synced_folders: list[str]) -> None:
    for name in "ab":
        atomic.write(str(tmp_path / name), b"x", Wanted({}))
    assert synced_folders == [str(tmp_path)] * 2


def test_a_session_syncs_a_folder_once_before_it_answers(
    tmp_path: Path, synced_folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "_together", [])
    told: list[tuple[int, int]] = []
    reading, writing = os.pipe()
    session = Session(io.BytesIO(), writing)
    monkeypatch.setattr(session, "_send_bytes", lambda data: told.append((len(data), len(synced_folders))))
    (tmp_path / "gone").mkdir()
    atomic.sync_together()
    for name in ("a", "b", "gone/c"):
        atomic.write(str(tmp_path / name), b"x", Wanted({}))
    shutil.rmtree(tmp_path / "gone")
    assert synced_folders == []
    session._answer_later(b"answer", asked=True)
    assert synced_folders == [str(tmp_path)] and told == [(6, 1)]
    os.close(reading)
    os.close(writing)


def test_a_task_whose_time_is_up_loses_none_of_its_followers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    session = Session(io.BytesIO(), writing)
    following = {"op": "task", "id": 7, "module": "file", "arguments": {"path": str(tmp_path / "f")}}

    def ring(data: bytes) -> None:
        raise TimeUp

    for interrupted in (wire, "decode"), (session, "_look_ahead"):
        session._requests.put(json.dumps(following).encode())
        with monkeypatch.context() as patch:
            patch.setattr(*interrupted, ring)
            with pytest.raises(TimeUp):
                list(session._row(following))
        session._requests.put(None)
        assert session._next() == following
        assert session._next() is None
    session._requests.put(b'{"op":"task",')
    assert session._next() is None and "BrokenStream" in capfd.readouterr().err
    os.close(reading)
    os.close(writing)
