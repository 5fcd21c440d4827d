"""Programs are started, fed, listened to and given up as subprocess does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kprov.provision.agent import spawning

ENVIRONMENT = {"PATH": os.environ["PATH"], "WORD": "x"}


def _run(*argv: str, stdin: bytes | None = None, timeout: float | None = None) -> tuple[int | None, bytes, bytes]:
    program = spawning.Program(argv, ENVIRONMENT, stdin is not None)
    output, errors = program.communicate(stdin, timeout)
    return program.returncode, output, errors


def _descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


CASES = {
    "its words": (("sh", "-c", "echo $WORD; echo y >&2; exit 3"), None),
    "no input": (("cat",), None),
    "empty input": (("cat",), b""),
    "input larger than a pipe": (("cat",), b"0123456789" * 50_000),
    "input that nobody reads": (("true",), b"0123456789" * 50_000),
    "much output": (("sh", "-c", "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"), None),
    "a signal": (("sh", "-c", "kill -9 $$"), None),
    "a broken pipe ends it": (("sh", "-c", "yes 2>/dev/null | head -n 1"), None),
    "a session of its own": (("sh", "-c", "[ $$ = $(ps -o sid= -p $$ | tr -d ' ') ] && echo own"), None),
    "output that is closed early": (("sh", "-c", "exec >&- 2>&-; exit 4"), None),
}


@pytest.mark.parametrize(("argv", "stdin"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("timeout", [None, 60.0])
def test_as_subprocess(argv: tuple[str, ...], stdin: bytes | None, timeout: float | None) -> None:
    assert spawning.is_possible()
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        argv,
        env=ENVIRONMENT,
        capture_output=True,
        start_new_session=True,
        stdin=subprocess.DEVNULL if stdin is None else None,
        input=stdin,
    )
    assert _run(*argv, stdin=stdin, timeout=timeout) == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", ["no-such-program", "/nowhere/program", "./folder", "./text", "/etc/passwd/x"])
def test_what_cannot_be_started(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("text")
    monkeypatch.chdir(tmp_path)
    before = _descriptors()
    with pytest.raises(OSError, match=name) as mine:
        spawning.Program([name], ENVIRONMENT, True)
    with pytest.raises(OSError, match=name) as theirs:
        subprocess.Popen([name], env=ENVIRONMENT)
    if name != "/etc/passwd/x":
        assert type(mine.value) is type(theirs.value)
    assert _descriptors() == before


def test_given_up_and_asked_again() -> None:
    program = spawning.Program(["sh", "-c", "echo before; exec sleep 600"], ENVIRONMENT, False)
    with pytest.raises(subprocess.TimeoutExpired):
        program.communicate(timeout=0.2)
    os.killpg(program.pid, 9)
    assert program.communicate(timeout=60) == (b"before\n", b"")
    assert program.returncode == -9


def test_one_that_lives_on_is_forgotten() -> None:
    program = spawning.Program(["sh", "-c", "setsid sleep 600 & echo $!; exit 5"], ENVIRONMENT, False)
    before = len(_descriptors())
    with pytest.raises(subprocess.TimeoutExpired):
        program.communicate(timeout=0.3)
    program.forget()
    assert len(_descriptors()) == before - 2
    left = int(b"".join(program._output[program._out]))
    os.killpg(os.getpgid(left), 9)


def test_it_gets_no_other_files(tmp_path: Path) -> None:
    code = (
        "import os, sys; from kprov.provision.agent import spawning\n"
        "os.set_inheritable(os.open('/dev/null', os.O_RDONLY), True)\n"
        "assert spawning.is_possible()\n"
        "program = spawning.Program(['ls', '/proc/self/fd'], os.environ, False)\n"
        "print(program.communicate()[0].decode().split())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['0', '1', '2', '3']"  # 3: the folder that ls reads
