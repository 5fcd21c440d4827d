"""The lanes of the tests: every module has its part, all of them are run, and Ctrl-C reaches all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from lanes import HERE, PARTS, Lanes, words_of

PASSES = "def test_passes(tmp_path): (tmp_path / 'x').touch()\n"
FAILS = "def test_fails(): assert 1 == 2, 'as it should'\n"
MANY = "import pytest\n@pytest.mark.parametrize('number', range(9))\ndef test_fails(number): assert number > 9\n"
RACES = """
from pathlib import Path
RUNS = Path({folder!r}, "runs")

def note(name):
    with RUNS.open("a") as file:
        file.write(name + "\\n")
    return RUNS.read_text().count(name)

def test_steady(): note("steady")
def test_races(): assert note("races") == 2
"""
WAITS = """
import time
from pathlib import Path
import pytest

@pytest.fixture
def machine():
    yield
    Path({folder!r}, "down").touch()

def test_waits(machine):
    Path({folder!r}, "up").touch()
    time.sleep(100)
"""


def modules(words: list[str]) -> set[Path]:
    """The modules that pytest collects when it is told this."""
    ignored = [Path(word.removeprefix("--ignore=")) for word in words if word.startswith("--ignore=")]
    found = set()
    for word in words:
        path = Path(word)
        if path.is_absolute():
            assert path.exists(), path
            found |= {path} if path.is_file() else set(path.rglob("test_*.py"))
    return {each for each in found if not any(path == each or path in each.parents for path in ignored)}


def test_every_module_is_in_one_part() -> None:
    shares = [modules(words_of(part)) for part in PARTS]
    assert all(shares)
    assert sum(map(len, shares)) == len(set.union(*shares))
    assert set.union(*shares) == set(HERE.rglob("test_*.py"))


def _lanes(folder: Path, **files: str) -> Lanes:
    (folder / "of-the-parts").mkdir()
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    parts = {name: (f"test_{name}.py",) for name in files}
    return Lanes(folder / "of-the-parts", parts=parts, root=folder)


def test_what_fails_is_said_at_the_end_and_the_rest_is_run(tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    lanes = _lanes(tmp_path, wrong=FAILS, right=PASSES, none="", last=PASSES)
    lanes.run()
    assert lanes.code == 1
    assert lanes.codes == {"wrong": 1, "right": 0, "none": 5, "last": 0}
    summary = "\n".join(lanes.summary())
    assert re.search(r"^wrong: FAILED .*test_wrong.py::test_fails", summary, re.MULTILINE), summary
    assert "right      1 passed in " in summary and "FAILED (exit code 5)" in summary
    assert "wrong | " in capfd.readouterr().out
    fine = _lanes(tmp_path / "of-the-parts", right=PASSES)
    fine.run()
    assert fine.code == 0


def test_a_few_failures_are_tried_once_more_and_told_apart(tmp_path: Path) -> None:
    lanes = _lanes(tmp_path, flaky=RACES.format(folder=str(tmp_path)), wrong=FAILS + PASSES, many=MANY, right=PASSES)
    lanes.run()
    assert lanes.codes == {"flaky": 1, "wrong": 1, "many": 1, "right": 0}
    lanes.try_again(late=0.0)
    assert lanes.first == {} and lanes.codes["flaky"] == 1
    lanes.try_again()
    assert lanes.codes == {"flaky": 0, "wrong": 1, "many": 1, "right": 0} and lanes.code == 1
    assert set(lanes.first) == {"flaky", "wrong"}
    assert (tmp_path / "runs").read_text() == "steady\nraces\nraces\n"
    summary = "\n".join(lanes.summary())
    assert re.search(r"^flaky: passed only when .*: FAILED .*test_races", summary, re.MULTILINE), summary
    assert len(re.findall(r"^wrong: FAILED .*::test_fails", summary, re.MULTILINE)) == 1, summary
    assert re.search(
        r"^flaky      1 failed, 1 passed in \S+; again: 1 passed, 1 deselected in \S+$", summary, re.MULTILINE
    )
    assert re.search(
        r"^wrong      1 failed, 1 passed in \S+; again: 1 failed, .* \(exit code 1\)$", summary, re.MULTILINE
    )


def test_ctrl_c_is_for_every_part(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / f"test_{name}.py").write_text(WAITS.format(folder=str(tmp_path / name)))
    program = (
        "import signal, sys; from pathlib import Path; from lanes import Lanes\n"
        "folder = Path(sys.argv[1])\n"
        "parts = {name: (f'test_{name}.py',) for name in 'abc'}\n"
        "lanes = Lanes(folder / 'files', parts=parts, root=folder)\n"
        "signal.signal(signal.SIGINT, lambda *_: lanes.stop())\n"
        "lanes.run()\n"
        "print(*lanes.summary(), sep='\\n')\n"
        "sys.exit(lanes.code)\n"
    )
    (tmp_path / "files").mkdir()
    run = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    try:
        deadline = time.monotonic() + 60
        while not all((tmp_path / name / "up").exists() for name in "ab"):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 130, said
    assert all((tmp_path / name / "down").exists() for name in "ab"), said
    assert "c          not begun" in said
