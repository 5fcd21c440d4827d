"""What is made of clients' tries: gaps, spans, and what a watch must never show."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.provision.kubeapi.client import ClusterApiError
from kprov.provision.verify.drills import service_caller
from kprov.provision.verify.drills.drill import Bounds
from kprov.provision.verify.drills.rehearsal import beyond
from kprov.provision.verify.drills.service_caller import read_calls
from kprov.provision.verify.drills.tries import Try, by_second, longest_pause, unanswered_span
from kprov.provision.verify.drills.watcher import Watcher
from kprov.provision.verify.report import CheckFailed


def test_the_longest_pause_is_between_two_answers() -> None:
    tries = [Try(0, 0.1, True), Try(1, 2.0, False), Try(3, 0.5, True), Try(4, 0.1, True)]
    assert longest_pause(tries) == pytest.approx(3.4)
    assert unanswered_span(tries) == pytest.approx(2.0)


def test_a_pause_that_does_not_end_counts() -> None:
    assert longest_pause([Try(0, 0.1, True), Try(1, 9.0, False)]) == pytest.approx(9.9)
    assert longest_pause([Try(5, 1.0, False)]) == pytest.approx(1.0)
    assert longest_pause([]) == unanswered_span([]) == 0


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 5), st.booleans()), max_size=30))
def test_no_try_is_forgotten_by_the_timeline(rows: list[tuple[float, float, bool]]) -> None:
    tries = [Try(*row) for row in rows]
    seconds = by_second(tries, 0)
    assert sum(answered for answered, _ in seconds) == sum(each.answered for each in tries)
    assert sum(failed for _, failed in seconds) == sum(not each.answered for each in tries)


def test_calls_are_read_with_their_repetitions() -> None:
    calls = read_calls("1 0 0.0 0.1 1\n2 0 0.1 1.0 0\n2 1 1.1 0.1 1\n3 0 2 1 0\n3 1 3 1 0\n3 2 4 1 0\n4 0 5")
    assert (calls.calls, calls.repeated, calls.failed, len(calls.tries)) == (3, 2, 1, 6)


@pytest.mark.parametrize(("runs", "told"), [(True, ""), (False, "were not noted")])
def test_a_caller_that_starts_has_called_nobody_yet(
    runs: bool, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_caller, "_FILE", str(tmp_path / "calls"))
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\nexit {0 if runs else 3}\n")
    (tmp_path / "systemctl").chmod(0o755)

    def shell(machine: str, script: str) -> SimpleNamespace:
        path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, env=path, check=False)
        return SimpleNamespace(rc=done.returncode, stdout=done.stdout, stderr=done.stderr)

    engine: Any = SimpleNamespace(shell=shell)
    caller = service_caller.ServiceCaller(engine, "w1", "http://10.0.0.1/", lifetime=10)
    if told:
        with pytest.raises(CheckFailed, match=told):
            caller.so_far()
    else:
        assert caller.so_far().calls == 0
        (tmp_path / "calls").write_text("1 0 0.0 0.1 1\n")
        assert caller.so_far().calls == 1


def test_bounds_are_judged_where_something_was_measured() -> None:
    figures = {"write_gap_seconds": 5.4, "service_gap_seconds": None, "heal_seconds": 61}
    told = beyond(Bounds(), figures)
    assert told == [
        "no write was acknowledged for 5.4 s, at most 5 s are allowed",
        "it was well again only after 61.0 s, at most 60 s are allowed",
    ]
    assert beyond(Bounds(write_gap=None, heal=90), figures) == []


def event(version: int, *keys: str, kind: str = "MODIFIED") -> dict[str, Any]:
    return {
        "type": kind,
        "object": {"metadata": {"resourceVersion": str(version)}, "data": dict.fromkeys(keys, "")},
    }


class Api:
    """Gives one watch after the other; the last one waits until the watcher is told to stop."""

    def __init__(self, *watches: list[dict[str, Any]] | ClusterApiError) -> None:
        self.watches, self.resumed_at = list(watches), list[str]()
        self.done, self.stopped = threading.Event(), threading.Event()

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": "10"}, "items": [{"data": {"write-0": ""}}]}

    def watch(self, path: str, *, params: dict[str, str], silence: float) -> Iterator[dict[str, Any]]:
        self.resumed_at.append(params["resourceVersion"])
        if not self.watches:
            self.done.set()
            self.stopped.wait(10)
            return
        watch = self.watches.pop(0)
        if isinstance(watch, ClusterApiError):
            raise watch
        yield from watch


def watched(api: Api) -> Watcher:
    watcher = Watcher(api, "space", "writes")  # type: ignore[arg-type]
    api.stopped = watcher._stop
    with watcher:
        assert api.done.wait(10)
    return watcher


def test_a_watch_is_resumed_where_it_broke() -> None:
    bookmark = event(11, kind="BOOKMARK")
    api = Api(
        [event(11, "write-0", "write-1"), bookmark],
        ClusterApiError("gone"),
        [event(13, "write-0", "write-1", "write-2")],
    )
    watcher = watched(api)
    assert api.resumed_at == ["10", "11", "11", "13"]
    assert watcher.missed({"write-0", "write-1", "write-2"}, 0) == ""
    assert "write-3" in watcher.missed({"write-3"}, 0)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([event(12, "write-0", "write-1", "write-2")], "one event brought 2 writes"),
        ([event(12, "write-0", "write-1"), event(13, "write-0")], "lacks 1 writes of earlier events"),
        ([event(12, "write-0"), event(9, "write-0")], "an event of 9 came after 12"),
        ([event(12, "write-0", kind="DELETED")], "was told to be deleted"),
    ],
)
def test_what_no_watch_may_show(events: list[dict[str, Any]], told: str) -> None:
    assert told in watched(Api(events)).missed(set(), 0)


def test_too_old_a_version_is_listed_anew() -> None:
    error = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    api = Api([event(11, "write-0")], [error])
    watcher = watched(api)
    assert watcher.relisted == 1 and api.resumed_at == ["10", "11", "10"]
