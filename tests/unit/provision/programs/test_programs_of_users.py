"""Programs that a user named: they end, or are ended, and are never held for long or in much memory."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kprov.provision.programs import PrintedTooMuch, TookTooLong, run

MOST = 1 << 20
PATIENCE = 60.0


def test_what_it_said_and_how_it_ended() -> None:
    ended = run(["sh", "-c", "echo out; echo err >&2; exit 3"], seconds=PATIENCE, most=MOST)
    assert (ended.code, ended.output, ended.errors) == (3, b"out\n", b"err\n")
    assert ended.last_words == "err"


def test_a_text_is_for_the_shell(tmp_path: Path) -> None:
    assert run("pwd | tr a-z A-Z", seconds=PATIENCE, most=MOST, folder=tmp_path).text.strip() == str(tmp_path).upper()


def test_it_has_nothing_to_read() -> None:
    assert run(["cat"], seconds=PATIENCE, most=MOST).output == b""


def test_all_of_a_large_output_arrives_whatever_it_says_besides() -> None:
    ended = run("head -c 1000000 /dev/zero; head -c 9000000 /dev/zero >&2; echo end >&2", seconds=PATIENCE, most=MOST)
    assert len(ended.output) == 1_000_000
    assert len(ended.errors) < 20_000 and ended.errors.endswith(b"end\n")


@pytest.mark.parametrize("most", [0, 1, MOST])
def test_one_that_never_stops_talking_is_ended(most: int) -> None:
    with pytest.raises(PrintedTooMuch):
        run(["yes"], seconds=PATIENCE, most=most)


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(TookTooLong):
        run(f"echo $$ > {tmp_path}/pid; exec sleep 3600", seconds=0.5, most=MOST)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_one_that_closed_its_output_is_waited_for() -> None:
    assert run("exec >&- 2>&-; sleep 0.2; exit 7", seconds=PATIENCE, most=MOST).code == 7
    with pytest.raises(TookTooLong):
        run("exec >&- 2>&-; exec sleep 3600", seconds=0.2, most=MOST)


@pytest.mark.parametrize("left", ["sleep 20", "yes >&2"], ids=["silent", "talking"])
def test_what_it_leaves_running_is_not_waited_for(left: str, tmp_path: Path) -> None:
    began = time.monotonic()
    ended = run(f"{left} & echo $! > {tmp_path}/left; echo done", seconds=PATIENCE, most=MOST)
    run(["kill", (tmp_path / "left").read_text().strip()], seconds=PATIENCE, most=MOST)
    assert ended.code == 0 and ended.text == "done\n"
    assert time.monotonic() - began < 20


def test_one_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        run(["/nowhere/at-all"], seconds=PATIENCE, most=MOST)
