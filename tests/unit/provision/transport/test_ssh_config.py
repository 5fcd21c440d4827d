"""What ssh_config says: files that include others."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.provision.transport import ssh_config
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.ssh_config import look_up


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the one configuration is."""
    monkeypatch.setattr(ssh_config, "FILES", (tmp_path / "config",))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config.d").mkdir()
    return tmp_path


def test_included_files_are_a_part_of_it(folder: Path) -> None:
    (folder / "config").write_text(
        "Include config.d/*.conf config.d/none*\nInclude ~/more  # a word\n"
        "Host b\n  Port 3\n  include=config.d/b\n  User last\n"
    )
    (folder / "config.d/1.conf").write_text("Host a\n  Port 1\n  User first\n")
    (folder / "config.d/2.conf").write_text("Host a c\n  Port 2\n")
    (folder / "more").write_text("Host d\n  HostName 192.0.2.1\n")
    (folder / "config.d/b").write_text("HostName 192.0.2.2\n")
    assert (look_up("a").port, look_up("a").user, look_up("c").port, look_up("c").user) == (1, "first", 2, None)
    assert (look_up("b").port, look_up("b").address, look_up("b").user) == (3, "192.0.2.2", "last")
    assert look_up("d").address == "192.0.2.1"


def test_what_follows_an_include_is_for_all_hosts_where_it_was(folder: Path) -> None:
    (folder / "config").write_text("Include config.d/a\nUser everyone\n")
    (folder / "config.d/a").write_text("Host a\n  Port 1\n")
    assert (look_up("b").user, look_up("b").port) == ("everyone", None)


def test_an_included_file_that_cannot_be_understood_is_told(folder: Path) -> None:
    (folder / "config").write_text("Include config\n")
    with pytest.raises(Unreachable, match="includes itself"):
        look_up("a")
    (folder / "config").write_text("Include config.d/x\n ")
    (folder / "config.d/x").write_bytes(b"\xff\xfe")
    with pytest.raises(Unreachable, match="cannot be understood"):
        look_up("a")
