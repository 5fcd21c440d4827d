"""``kprov vault``: files that are encrypted, shown, edited; and secrets that are shown nowhere else."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Kprov = Callable[..., Any]
SECRET = "the moon is made of cheese"


@pytest.fixture
def password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A password file that every command finds."""
    path = tmp_path / "password"
    path.write_text("hush\n")
    monkeypatch.setenv("KPROV_VAULT_PASSWORD_FILE", str(path))
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.yml"
    path.write_text(f"secret: {SECRET}\n")
    return path


def editor(tmp_path: Path, script: str) -> str:
    path = tmp_path / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def leftovers() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob(".kprov-vault*")}


def test_there_and_back(kprov: Kprov, password: Path, secret: Path) -> None:
    secret.chmod(0o640)
    before = secret.read_bytes()
    assert kprov("vault", "encrypt", secret).code == 0
    assert secret.read_bytes().startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o640
    assert kprov("vault", "view", secret).out.encode() == before
    assert kprov("vault", "decrypt", secret).code == 0
    assert secret.read_bytes() == before
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600, "what can be read now is its owner's alone"


def test_a_mistake_in_one_file_leaves_all_as_they_were(kprov: Kprov, password: Path, secret: Path) -> None:
    other = secret.with_name("other")
    other.write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    before = secret.read_bytes()
    done = kprov("vault", "encrypt", secret, other)
    assert (done.code, secret.read_bytes()) == (2, before)
    assert f"{other}: is encrypted already" in done.err


def test_a_wrong_password_names_the_file(kprov: Kprov, password: Path, secret: Path) -> None:
    kprov("vault", "encrypt", secret)
    sealed = secret.read_bytes()
    password.write_text("loud")
    for verb in ("view", "decrypt", "edit"):
        done = kprov("vault", verb, secret)
        assert (done.code, done.out) == (2, "")
        assert str(secret) in done.err and "can't be opened" in done.err
    assert secret.read_bytes() == sealed


def test_rekey(kprov: Kprov, password: Path, secret: Path, tmp_path: Path) -> None:
    kprov("vault", "encrypt", secret)
    (tmp_path / "new").write_text("hist")
    assert kprov("vault", "rekey", secret, "--new-vault-id", f"prod@{tmp_path / 'new'}").code == 0
    assert secret.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert kprov("vault", "view", secret).code == 2
    assert SECRET in kprov("vault", "view", secret, "--vault-id", f"prod@{tmp_path / 'new'}").out


def test_edit_keeps_vault_id_and_mode(
    kprov: Kprov, password: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kprov("vault", "encrypt", secret, "--vault-id", f"prod@{password}")
    secret.chmod(0o644)
    before = leftovers()
    monkeypatch.setenv("EDITOR", editor(tmp_path, 'stat -c %a "$1" > ' + f'{tmp_path}/mode; sed -i s/moon/sun/ "$1"'))
    assert kprov("vault", "edit", secret).code == 0
    assert (tmp_path / "mode").read_text() == "600\n"
    assert secret.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o644
    assert "the sun is made" in kprov("vault", "view", secret).out
    assert leftovers() == before


def test_an_edit_that_changes_nothing_writes_nothing(
    kprov: Kprov, password: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kprov("vault", "encrypt", secret)
    sealed = secret.read_bytes()
    monkeypatch.setenv("EDITOR", "true")
    assert "nothing was changed" in kprov("vault", "edit", secret).err
    assert secret.read_bytes() == sealed


@pytest.mark.parametrize(("command", "message"), [("false", "ended with code 1"), ("no-such-editor", "can't be run")])
def test_an_editor_that_fails(
    kprov: Kprov, password: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    kprov("vault", "encrypt", secret)
    sealed, before = secret.read_bytes(), leftovers()
    monkeypatch.setenv("EDITOR", command)
    done = kprov("vault", "edit", secret)
    assert done.code == 2 and message in done.err
    assert (secret.read_bytes(), leftovers()) == (sealed, before)


def test_what_somebody_else_wrote_meanwhile_is_not_lost(
    kprov: Kprov, password: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kprov("vault", "encrypt", secret)
    monkeypatch.setenv("EDITOR", editor(tmp_path, f'echo mine > "$1"; echo theirs > {secret}'))
    done = kprov("vault", "edit", secret)
    assert done.code == 2 and "somebody else" in done.err
    assert secret.read_text() == "theirs\n"
    assert kprov("vault", "view", f"{secret}.edited").out == "mine\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_killed_edit_leaves_nothing_behind(password: Path, secret: Path, tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    command = [sys.executable, "-c", "from kprov.cli.main import main; main()", "vault"]
    subprocess.run([*command, "encrypt", str(secret)], check=True)
    sealed, before = secret.read_bytes(), leftovers()
    environment = {**os.environ, "EDITOR": editor(tmp_path, f"echo $$ > {ready}; exec sleep 60")}
    with subprocess.Popen([*command, "edit", str(secret)], env=environment) as process:
        editor_process = int(ready.read_text())
        assert leftovers() - before
        process.send_signal(number)
        assert process.wait(10) == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(editor_process, 0)
    assert (secret.read_bytes(), leftovers()) == (sealed, before)


def test_create(kprov: Kprov, password: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, 'echo fresh > "$1"'))
    new = tmp_path / "new.yml"
    assert kprov("vault", "create", new).code == 0
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert kprov("vault", "view", new).out == "fresh\n"
    assert "is there already" in kprov("vault", "create", new).err


def test_encrypt_string_is_read_by_an_inventory(kprov: Kprov, password: Path, tmp_path: Path) -> None:
    line = kprov("vault", "encrypt-string", SECRET, "--name", "greeting").out
    path = tmp_path / "hosts.yaml"
    path.write_text("web:\n  hosts: {w1: }\n  vars:\n    " + line.replace("\n", "\n    "))
    listed = kprov("inventory", "list", "-i", path, "-o", "json")
    host = json.loads(listed.out.splitlines()[0])
    assert host["variables"]["greeting"] == "********"
    explained = kprov("inventory", "explain", "-i", path, "w1", "greeting")
    assert "********" in explained.out and SECRET not in listed.out + explained.out


def test_standard_input_and_output(password: Path) -> None:
    content = b"bytes \x00\xff\r\n"
    command = [sys.executable, "-c", "from kprov.cli.main import main; main()", "vault"]
    sealed = subprocess.run([*command, "encrypt"], input=content, capture_output=True, check=True).stdout
    opened = subprocess.run([*command, "decrypt"], input=sealed, capture_output=True, check=True).stdout
    assert opened == content


def test_no_error_shows_what_is_encrypted(kprov: Kprov, password: Path, tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    for text in (
        f"web:\n  hosts: {{w1: {{ansible_port: {SECRET}}}}}\n",
        f"web:\n  {SECRET}: [\n",
        f"web:\n  hosts: {{w1: {{x: !!int '{SECRET}'}}}}\n",
        f"web:\n  hosts: {{w1: *{SECRET.replace(' ', '')}}}\n",
    ):
        path.write_text(text)
        kprov("vault", "encrypt", path)
        done = kprov("inventory", "list", "-i", path)
        assert done.code == 2
        assert f"{path}:" in done.err
        assert SECRET not in done.err and SECRET.replace(" ", "") not in done.err


def test_a_full_disk_changes_nothing(
    kprov: Kprov, password: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, folder = secret.read_bytes(), sorted(secret.parent.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = kprov("vault", "encrypt", secret)
    assert done.code == 2 and "No space left" in done.err
    assert (secret.read_bytes(), sorted(secret.parent.iterdir())) == (before, folder)


def test_a_link_stays_a_link(kprov: Kprov, password: Path, secret: Path) -> None:
    link = secret.with_name("link")
    link.symlink_to(secret)
    kprov("vault", "encrypt", link)
    assert link.is_symlink() and secret.read_bytes().startswith(b"$ANSIBLE_VAULT")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["view", "/nonexistent"], "no such file"),
        (["view", "/dev/zero"], "is a device"),
        (["view", "/"], "is a folder"),
        (["encrypt", "a", "b", "--output", "c"], "takes one file"),
        (["encrypt-string", "x", "--name", "a", "--name", "b"], "2 names for 1 texts"),
        (["create", "/nonexistent/x"], "no such folder"),
        (["rekey", "x", "--new-vault-id", "a@b", "--new-vault-password-file", "c"], "exclude each other"),
    ],
)
def test_mistakes(kprov: Kprov, password: Path, arguments: list[str], message: str) -> None:
    done = kprov("vault", *arguments)
    assert done.code == 2 and message in done.err


def test_without_a_password_it_says_how_to_give_one(
    kprov: Kprov, password: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kprov("vault", "encrypt", secret)
    monkeypatch.delenv("KPROV_VAULT_PASSWORD_FILE")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    done = kprov("vault", "view", secret)
    assert done.code == 2 and "--vault-password-file" in done.err


def at_a_terminal(arguments: list[str], answers: dict[str, str]) -> tuple[int, str]:
    """Run a command at a terminal of its own, answer its questions; gives its exit code and what was seen."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", "from kprov.cli.main import main; main()", *arguments])
    seen, due = "", list(answers.items())
    while True:
        try:
            piece = os.read(terminal, 4096).decode()
        except OSError:  # Linux says so when the other side is closed
            break
        if not piece:
            break
        seen += piece
        if due and seen.rstrip().endswith(due[0][0]):
            os.write(terminal, due.pop(0)[1].encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), seen


def test_a_person_is_asked(secret: Path) -> None:
    question = "ew vault password (default):"
    code, seen = at_a_terminal(
        ["vault", "encrypt", str(secret)], {f"N{question}": "hush", f"Confirm n{question}": "hush"}
    )
    assert code == 0 and "hush" not in seen
    sealed = secret.read_bytes()
    assert sealed.startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
    code, seen = at_a_terminal(["vault", "view", str(secret)], {"Vault password (default):": "hush"})
    assert code == 0 and SECRET in seen and "hush" not in seen
    code, seen = at_a_terminal(["vault", "decrypt", str(secret)], {"Vault password (default):": "loud"})
    assert code == 2 and secret.read_bytes() == sealed


def test_two_passwords_that_differ_encrypt_nothing(secret: Path) -> None:
    question = "ew vault password (default):"
    before = secret.read_bytes()
    code, seen = at_a_terminal(
        ["vault", "encrypt", str(secret)], {f"N{question}": "hush", f"Confirm n{question}": "hist"}
    )
    assert code == 2 and "not the same" in seen
    assert secret.read_bytes() == before


def test_pipes_of_the_shell(secret: Path) -> None:
    """``<(...)`` gives passwords and variables that lie in no file."""
    script = (
        'k() { "$PYTHON" -c "from kprov.cli.main import main; main()" "$@"; }; '
        'k vault encrypt "$0" --vault-pass-file <(echo hush) && '
        'k inventory explain h1 secret -i h1, -e @<(echo \'{"plain": 5}\') -e @"$0" --vault-password-file <(echo hush)'
    )
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", "-c", script, str(secret)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "********" in done.stdout and SECRET not in done.stdout
