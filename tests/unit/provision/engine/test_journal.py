"""A run's journal: what waits is written in time and in order; a disk that is full ends the run in words."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.engine.journal import MOST_WAITING, Journal, JournalError
from kprov.provision.engine.secrets import MASK, Secrets
from kprov.provision.transport.link import AgentLink


class TestEventsThatWait:
    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[Journal]:
        journal = Journal(tmp_path / "r", Secrets())
        yield journal
        journal.close()

    def events(self, journal: Journal) -> list[str]:
        return [json.loads(line)["event"] for line in journal.path.read_text().splitlines()]

    def test_they_are_written_in_their_order_when_it_matters(self, journal: Journal) -> None:
        journal.write("one")
        journal.put("two")
        journal.put("three")
        journal.write("four")
        journal.put("five")
        journal.flush()
        assert self.events(journal) == ["one", "two", "three", "four", "five"]

    def test_they_do_not_wait_for_long_nor_become_many(self, journal: Journal) -> None:
        journal.put("one")
        deadline = time.monotonic() + 60
        while not self.events(journal) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.events(journal) == ["one"]
        journal.put("large", text="x" * MOST_WAITING)
        assert self.events(journal) == ["one", "large"]

    @pytest.mark.parametrize(
        "secret", ["pass word", 'g"eh\\eim', "schlüssel", 'grün"\\weiß', "tab\tnew\nline", "\x7fdel\x01"]
    )
    def test_no_secret_is_in_them_however_it_is_written_there(self, tmp_path: Path, secret: str) -> None:
        masks = Secrets()
        masks.add(secret)
        journal = Journal(tmp_path / "s", masks)
        for shown in (secret, f"a {secret} b", {"deep": [f"x{secret}"]}, object, {1: secret}):
            journal.write("one", shown=shown)
        journal.close()
        written = journal.path.read_text()
        lines = [json.loads(line) for line in written.splitlines()]
        assert len(lines) == 5 and lines[0]["shown"] == MASK and lines[1]["shown"] == f"a {MASK} b"
        for form in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
            assert form not in written

    @pytest.mark.parametrize("value", [2**70, "\ud800", float("nan"), {1: 2}, {("a",): 1}.keys(), Path("/a")])
    def test_whatever_is_told_can_be_written(self, journal: Journal, value: Any) -> None:
        journal.write("one", value=value)
        assert self.events(journal) == ["one"]

    def test_the_end_writes_them(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "s", Secrets())
        journal.put("one")
        journal.close(outcome="ok")
        assert self.events(journal) == ["one", "run_finished"]

    def test_a_task_is_written_down_before_it_leaves(
        self, tmp_path: Path, workshop: Any, host: Any, monkeypatch: Any
    ) -> None:
        """Whatever leaves: no machine has heard of a task that the journal has not."""
        heard: list[tuple[int, int]] = []
        written_out = AgentLink._write

        def spied(link: AgentLink, data: bytes) -> None:
            asked = data.count(b'"op":"task"') - data.count(b'"module":"setup"')
            lines = [json.loads(line) for path in tmp_path.rglob("journal.jsonl") for line in path.open()]
            heard.append((asked, sum(line["event"] == "sent" for line in lines)))
            written_out(link, data)

        monkeypatch.setattr(AgentLink, "_write", spied)
        workshop.role("""
- {name: One, command: "true"}
- {name: Two, command: "true", register: two}
- {name: Three, command: "true", when: two is changed}
""")
        workshop.engine(host("h1")).run_role("r", ["h1"])
        asked = 0
        for more, known in heard:
            asked += more
            assert known >= asked, heard
        assert asked == 3


class TestFullDisk:
    @pytest.fixture
    def full(self) -> int:
        return os.open("/dev/full", os.O_WRONLY)

    def test_the_run_stops_with_words(self, tmp_path: Path, full: int) -> None:
        journal = Journal(tmp_path / "r", Secrets())
        journal.write("one")
        kept, journal._file = journal._file, full
        for _ in range(2):
            with pytest.raises(JournalError, match=r"journal.jsonl can't be written: No space left on device.*prune"):
                journal.write("two")
        journal._file = kept
        journal.close(outcome="failed")
        assert [json.loads(line)["event"] for line in journal.path.read_text().splitlines()] == ["one", "run_finished"]

    def test_who_waits_with_others_is_told_too(self, tmp_path: Path, full: int) -> None:
        journal = Journal(tmp_path / "r", Secrets())
        journal.put("sent", host="h1")
        journal.put("sent", host="h2")
        kept, journal._file = journal._file, full
        for _ in range(2):  # what h1 sends, and then h2: nothing of either is written down
            with pytest.raises(JournalError):
                journal.flush()
        with pytest.raises(JournalError):
            journal.put("sent", host="h3")
        journal._file = kept
        journal.close(outcome="failed")
        assert [json.loads(line)["event"] for line in journal.path.read_text().splitlines()] == ["run_finished"]

    def test_half_a_line_is_taken_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        journal = Journal(tmp_path / "r", Secrets())
        journal.write("one")
        real, calls = os.write, []

        def half(descriptor: int, data: bytes) -> int:
            if descriptor == journal._file:
                calls.append(data)
                if len(calls) > 1:
                    raise OSError(28, "No space left on device")
                return real(descriptor, data[:5])
            return real(descriptor, data)

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(JournalError):
            journal.write("two")
        monkeypatch.undo()
        journal.close()
        assert [json.loads(line)["event"] for line in journal.path.read_text().splitlines()] == ["one"]

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(JournalError, match=r"can't be journalled in .*Nothing was changed"):
            Journal(tmp_path / "file/run", Secrets())
