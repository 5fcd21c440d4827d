"""`kprov backup` and `kprov restore` say what is missing before they ask or contact anybody."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kprov.cli.main import run

INVENTORY = """
all:
  vars: {cluster_name: demo}
  hosts:
    cp1: {ansible_host: 192.0.2.1}
  children:
    etcd: {hosts: {cp1: }}
    control_plane: {hosts: {cp1: }}
    node: {hosts: {cp1: }}
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backup", "nosuch/folder/file"], "nosuch/folder is not there: make it"),
        (["backup", "file"], "no terminal to ask for the backup's passphrase on: give it in KPROV_BACKUP_PASSPHRASE"),
        (["restore", "nosuch"], "nosuch: there is no such file"),
    ],
)
def test_what_is_missing(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KPROV_BACKUP_PASSPHRASE", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    Path("inventory.yaml").write_text(INVENTORY)
    assert run(words) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inventory.yaml"]
