"""Every way that the agent may not start, told apart by what the machine says.

Sudo's password given only when asked for.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kprov.provision.agent import wire
from kprov.provision.transport import bootstrap, local, packing
from kprov.provision.transport.errors import PythonMissing, SudoRefused, Unreachable
from kprov.provision.transport.target import Target

SUDO = """#!/bin/sh
# Stands in for sudo: checks the password "sesame" as sudo -S does.
interactive=no
while [ $# -gt 0 ]; do
  case "$1" in
    -S) interactive=yes; shift;;
    -n) shift;;
    -p) prompt="$2"; shift 2;;
    -u) shift 2;;
    --) shift; break;;
  esac
done
case "$SUDO_STANDS_FOR" in
  missing) echo "sh: 1: sudo: not found" >&2; exit 127;;
  refuse) echo "me is not in the sudoers file.  This incident will be reported." >&2; exit 1;;
  password)
    if [ $interactive = no ]; then echo "sudo: a password is required" >&2; exit 1; fi
    for try in 1 2 3; do
      printf '%s' "$prompt" >&2
      IFS= read -r word || { echo "sudo: no password was provided" >&2; exit 1; }
      [ "$word" = sesame ] && exec "$@"
      echo "Sorry, try again." >&2
    done
    exit 1;;
esac
exec "$@"
"""


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    program = tmp_path / "sudo"
    program.write_text(SUDO)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return monkeypatch


def target(**options: object) -> Target:
    return Target("m1", "localhost", local=True, user="me", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stands_for", "password", "words"),
    [
        ("missing", None, "there is no sudo on m1"),
        ("refuse", None, "add it to sudoers"),
        ("password", None, "set ansible_become_password"),
        ("password", "wrong", "correct ansible_become_password"),
    ],
)
def test_sudo_says_no(sudo: pytest.MonkeyPatch, stands_for: str, password: str | None, words: str) -> None:
    sudo.setenv("SUDO_STANDS_FOR", stands_for)
    with pytest.raises(SudoRefused) as caught:
        local.connect(target(become_password=password))
    assert words in caught.value.message


@pytest.mark.parametrize(("stands_for", "password"), [("nothing", None), ("nothing", "sesame"), ("password", "sesame")])
def test_sudo_says_yes_and_the_password_is_in_no_argument(
    sudo: pytest.MonkeyPatch, stands_for: str, password: str | None
) -> None:
    sudo.setenv("SUDO_STANDS_FOR", stands_for)
    wanted = target(become_password=password)
    assert "sesame" not in bootstrap.command(wanted) and "sesame" not in repr(wanted)
    link = local.connect(wanted)
    assert link.call("task", module="ping", arguments={})["ping"] == "pong"
    link.close()


def test_python_is_missing() -> None:
    with pytest.raises(PythonMissing, match="ansible_python_interpreter"):
        local.connect(target(become=False, python="/bin/false-python-3"))


def test_python_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nprintf '\\nkprov-agent-1 3.6.8 330d0d0a 0\\n'; cat >/dev/null\n")
    old.chmod(0o755)
    with pytest.raises(PythonMissing, match=r"Python 3\.6\.8; 3\.9 or newer"):
        local.connect(target(become=False, python=str(old)))


def test_noise_of_the_login_is_passed_over_and_what_is_no_agent_is_named(tmp_path: Path) -> None:
    noisy = tmp_path / "python"
    noisy.write_text('#!/bin/sh\necho "Welcome! kprov-agent-1 is not this"\nexec python3 "$@"\n')
    noisy.chmod(0o755)
    link = local.connect(target(become=False, python=str(noisy)))
    assert link.call("hello")["pid"] > 0
    link.close()
    noisy.write_text("#!/bin/sh\necho 'This account is not available' >&2; exit 1\n")
    with pytest.raises(Unreachable, match=r"exit code 1.*This account is not available"):
        local.connect(target(become=False, python=str(noisy)))


def test_a_foreign_python_gets_sources_and_what_was_asked_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The agent for the likely Python is sent with the first requests; where it is the wrong one, both wait for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own, foreign = bootstrap.LIKELY, b"\0\0\r\n"
    sources = packing.whole(foreign)
    frames = {
        own: wire.HEADER.pack(len(own), len(sources)) + own + sources,
        foreign: bootstrap.archive(foreign),
    }
    monkeypatch.setattr(bootstrap, "archive", frames.__getitem__)
    monkeypatch.setattr(bootstrap, "core", lambda: frames[foreign])
    monkeypatch.setattr(bootstrap, "LIKELY", foreign)
    link = local.connect(target(become=False), greet=False)
    number = link.post("task", module="ping", arguments={})
    assert link.wait(number, 30)["result"]["ping"] == "pong"
    assert link.round_trips <= 1
    link.close()


def test_what_a_machine_says_does_not_steer_the_terminal(tmp_path: Path) -> None:
    rude = tmp_path / "python"
    rude.write_text("#!/bin/sh\nprintf '\\033]0;owned\\007\\033[2J\\r gone' >&2; exit 1\n")
    rude.chmod(0o755)
    with pytest.raises(Unreachable) as caught:
        local.connect(target(become=False, python=str(rude)))
    assert "gone" in caught.value.message and caught.value.message.isprintable()
