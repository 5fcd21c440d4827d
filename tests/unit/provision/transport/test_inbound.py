"""What a machine sends is taken apart with distrust; and an agent whose controller falls silent leaves by itself."""

from __future__ import annotations

import itertools
import json
import os
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.provision.agent import wire
from kprov.provision.transport import inbound, local
from kprov.provision.transport.inbound import Inbound, Lie
from kprov.provision.transport.offered import Offered
from kprov.provision.transport.target import Target

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def taking(*numbers: int, clock: Clock | None = None) -> Inbound:
    made = Inbound(10.0, clock or Clock())
    for number in numbers:
        made.expect(number)
    return made


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@pytest.mark.parametrize(
    "value", [2**63, 2**64, -(2**63) - 1, 10**18, 10**40, 0.1234567890123456789, "\udcff", 1e308, -0.0, "é\0"]
)
def test_values_are_what_python_reads(value: Any) -> None:
    text = json.dumps({"op": "result", "id": 1, "result": {"value": value}}).encode()
    (frame,) = taking(1).feed(wire.HEADER.pack(len(text), 0) + text)
    assert repr(frame["result"]["value"]) == repr(json.loads(text)["result"]["value"])


@given(
    st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=4), min_size=1, max_size=5), st.lists(st.integers(0))
)
@settings(max_examples=50, deadline=None)
def test_frames_arrive_whole_however_they_are_cut(results: list[dict[str, Any]], cuts: list[int]) -> None:
    frames = [{"op": "result", "id": n, "seconds": 0.1, "result": result} for n, result in enumerate(results)]
    taken = taking(*range(len(results)))
    data = b"".join(wire.encode(frame) for frame in frames)
    assert [frame for part in cut(data, cuts) for frame in taken.feed(part)] == frames


@given(st.binary(max_size=300), JSON, st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_comes_is_a_frame_or_a_lie(noise: bytes, value: Any, length: int, framed: bool) -> None:
    text = json.dumps(value).encode()
    taken = taking(1)
    for data in (wire.encode(value) if framed else struct.pack(">II", length, 0) + text, noise):
        try:
            taken.feed(data)
        except Lie:
            return


def test_a_frame_must_come_at_a_pace() -> None:
    clock = Clock()
    taken = taking(1, clock=clock)
    taken.feed(struct.pack(">II", 1_000_000, 0) + b"{")
    clock.now = 9.0
    taken.check_pace()
    clock.now = 11.0
    with pytest.raises(Lie, match="did not end it"):
        taken.check_pace()


def test_answers_in_one_go_are_bounded_and_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "LARGEST_BATCH", 1000)
    answer = {"op": "result", "seconds": 0, "result": {"x": "y" * 600}}
    taken = taking(1)
    for number in range(1, 5):  # one by one: each batch has its own room
        taken.expect(number)
        assert taken.feed(wire.encode({**answer, "id": number}))
    taken = taking(1, 2)
    taken.feed(wire.encode({**answer, "id": 1}))
    with pytest.raises(Lie, match="in one go"):
        taken.feed(wire.encode({**answer, "id": 2}))


def test_contents_are_given_as_often_as_tasks_may_need_them() -> None:
    offered = Offered()
    offered.offer("a" * 64, b"data")
    offered.offer("a" * 64, b"data")
    for _ in range(4):
        assert list(offered.frames("a" * 64))
    with pytest.raises(Lie, match="again and again"):
        offered.frames("a" * 64)
    with pytest.raises(Lie, match="not offered"):
        offered.frames("b" * 64)


def gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(os.urandom(64), id="noise"),
        pytest.param(struct.pack(">II", 2**31, 0), id="a frame of two gigabytes"),
        pytest.param(struct.pack(">II", 100, 0) + b"{", id="half a frame"),
    ],
)
def test_an_agent_whose_controller_dies_lies_or_stalls_leaves_by_itself(tmp_path: Path, lie: bytes) -> None:
    here = Target("here", "localhost", local=True, become=False, silence_timeout=1.0)
    link = local.connect(here)
    try:
        lock = tmp_path / "lock"
        assert link.call("lock", path=str(lock), holder={}, timeout=20)["locked"]
        pid = link.call("hello", timeout=20)["pid"]
        link.post("task", module="shell", arguments={"cmd": f"echo $$ > {tmp_path}/pid; exec sleep 600"})
        link.flush()
        deadline = time.monotonic() + 60
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        link._pipe.write(lie, 5)
        # The connection stays; nobody says anything any more.
        assert gone(pid, 60) and gone(int((tmp_path / "pid").read_text()), 60)
        assert not lock.exists()
    finally:
        link.close()


def test_what_is_too_large_for_a_result_fails_its_task_and_no_more(tmp_path: Path) -> None:
    link = local.connect(Target("here", "localhost", local=True, become=False))
    try:
        big = link.call(
            "task", module="shell", arguments={"cmd": "head -c 34000000 /dev/zero | tr '\\0' x"}, timeout=60
        )
        assert big["failed"] and "its result is too large (" in big["msg"]
        assert link.call("hello", timeout=20)["pid"] > 0
    finally:
        link.close()
