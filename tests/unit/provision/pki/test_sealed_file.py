"""What is sealed is opened by its passphrase alone, and whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kprov.provision.pki import sealed_file
from kprov.provision.pki.errors import PkiError, SealedError
from kprov.provision.pki.sealed_file import seal, unseal


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_file, "_CHUNK", 16)


def sealed(path: Path, content: bytes) -> Path:
    with path.open("wb") as stream:
        seal(io.BytesIO(content), stream, "sesame")
    return path


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 32, 100])
def test_it_comes_out_as_it_went_in(tmp_path: Path, length: int) -> None:
    content = bytes(range(length))
    path = sealed(tmp_path / "file", content)
    assert b"".join(unseal(path, "sesame")) == content
    assert content[:8] not in path.read_bytes() or length < 8


def test_another_passphrase_opens_nothing(tmp_path: Path) -> None:
    with pytest.raises(SealedError):
        list(unseal(sealed(tmp_path / "file", b"x" * 100), "barley"))
    with pytest.raises(PkiError, match="passphrase"):
        seal(io.BytesIO(), io.BytesIO(), "")


def test_what_was_changed_cut_off_or_swapped_is_refused(tmp_path: Path) -> None:
    path = sealed(tmp_path / "file", bytes(64))
    whole = path.read_bytes()
    head = len(sealed_file.MAGIC) + 16 + 7
    chunk = 32
    wrong = [
        whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(sealed_file.MAGIC), len(whole), 9)
    ]
    wrong += [whole[:-1], whole[:-chunk], whole[: head + chunk], whole + b"x", whole[:head]]
    wrong.append(
        whole[:head] + whole[head + chunk : head + 2 * chunk] + whole[head : head + chunk] + whole[head + 2 * chunk :]
    )
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(PkiError):
            list(unseal(path, "sesame"))
    path.write_bytes(b"something else")
    with pytest.raises(PkiError, match="no file that kprov sealed"):
        list(unseal(path, "sesame"))
