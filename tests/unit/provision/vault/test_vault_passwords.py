"""Where passwords come from, and what is said when there is none."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from kprov.provision.vault import PasswordSource, Vault, VaultError
from kprov.provision.vault import passwords as module


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_holds_it(tmp_path: Path) -> None:
    assert PasswordSource(path=written(tmp_path / "p", " hush now \n")).read(None) == b"hush now"


def test_a_program_prints_it(tmp_path: Path) -> None:
    program = written(tmp_path / "p.sh", "#!/bin/sh\necho hush $#\n", 0o700)
    assert PasswordSource(path=program).read(None) == b"hush 0"


def test_a_client_is_told_the_vault_id(tmp_path: Path) -> None:
    program = written(tmp_path / "keys-client.sh", '#!/bin/sh\necho "$1 $2"\n', 0o700)
    assert PasswordSource("prod", program).read(None) == b"--vault-id prod"


def test_a_pipe_of_the_shell_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"hush\n"))
    writer.start()
    assert PasswordSource(path=pipe).read(None) == b"hush"
    writer.join()


def test_a_pipe_that_nobody_writes_to_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VaultError, match="nothing came"):
        PasswordSource(path=tmp_path / "pipe").read(None)


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (" \n", 0o600, "is empty"),
        ("#!/bin/sh\nexit 3\n", 0o700, "ended with code 3"),
        ("#!/bin/sh\n", 0o700, "is empty"),
        ("hush", 0o700, "executable bit"),
        ("#!/no/such/shell\n", 0o700, "can't be run"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, mode: int, message: str) -> None:
    with pytest.raises(VaultError, match=message):
        PasswordSource(path=written(tmp_path / "p", text, mode)).read(None)


@pytest.mark.parametrize("place", ["", "nowhere", "/dev/zero"])
def test_what_can_not_be_read(tmp_path: Path, place: str) -> None:
    with pytest.raises(VaultError):
        PasswordSource(path=tmp_path / place).read(None)


@pytest.mark.parametrize(
    ("text", "label", "path"),
    [
        ("prod@file", "prod", "file"),
        ("file", "default", "file"),
        ("prod@prompt", "prod", None),
        ("@prompt", "default", None),
        ("prompt", "default", None),
        ("me@x@file", None, None),
        ("prod@", None, None),
        ("a b@file", None, None),
    ],
)
def test_vault_ids(text: str, label: str | None, path: str | None) -> None:
    if label is None:
        with pytest.raises(VaultError):
            PasswordSource.parse(text)
        return
    assert PasswordSource.parse(text) == PasswordSource(label, Path(path) if path else None)


def test_a_person_is_asked_once_for_each_vault_id() -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return question

    vault = Vault([PasswordSource("a"), PasswordSource("b")], ask)
    for _ in range(2):
        assert vault.decrypt(vault.encrypt(b"x", "b")) == b"x"
    assert asked == ["Vault password (b): "]


def test_without_passwords_it_says_how_to_give_one() -> None:
    sealed = Vault([], lambda question: "hush").encrypt(b"x")
    with pytest.raises(VaultError, match="--vault-password-file"):
        Vault().decrypt(sealed)
    with pytest.raises(VaultError, match="there is no terminal"):
        Vault([PasswordSource()]).decrypt(sealed)


def test_the_password_of_the_same_vault_id_is_tried_first_but_not_alone() -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "b's" if "(b)" in question else "a's"

    sealed = Vault([PasswordSource("b")], ask).encrypt(b"x")
    asked.clear()
    assert Vault([PasswordSource("a"), PasswordSource("b")], ask).decrypt(sealed) == b"x"
    assert asked == ["Vault password (b): "]
    renamed = Vault([PasswordSource("a")], lambda question: "b's").encrypt(b"y")
    assert Vault([PasswordSource("a"), PasswordSource("b")], ask).decrypt(renamed) == b"y"


def test_which_of_several_to_encrypt_with_must_be_said() -> None:
    vault = Vault([PasswordSource("a"), PasswordSource("b")], lambda question: "hush")
    with pytest.raises(VaultError, match="--encrypt-vault-id"):
        vault.encrypt(b"x")
    with pytest.raises(VaultError, match="there is one of a, b"):
        vault.encrypt(b"x", "c")
    assert vault.encrypt(b"x", "b").startswith(b"$ANSIBLE_VAULT;1.2;AES256;b\n")
