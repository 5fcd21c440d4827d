"""Mirrors and apt settings are taken from the controller."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.debian.apt_settings import fetch_settings
from kprov.debian.host_packages import install_missing
from kprov.debian.mirrors import Mirrors, host_mirrors
from kprov.debian.releases import RELEASES, UnknownRelease, release_named

DEB822 = """\
Types: deb
# a comment: with a colon
URIs: http://mirror.test/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.test/security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://elsewhere.test/tools
Suites: stable
Components: main
"""
ONE_LINE = """\
# deb http://old.test/debian bookworm main
deb [signed-by=/k.gpg] http://mirror.test/debian bookworm main contrib
deb http://mirror.test/security bookworm-security main
"""


def controller(root: Path, identity: str, files: dict[str, str]) -> Path:
    for name, text in {"etc/os-release": f"ID={identity}\nVERSION_CODENAME=bookworm\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("identity", "files", "expected"),
    [
        ("debian", {"etc/apt/sources.list.d/debian.sources": DEB822}, ("mirror.test/debian", "mirror.test/security")),
        ("debian", {"etc/apt/sources.list": ONE_LINE}, ("mirror.test/debian", "mirror.test/security")),
        ("debian", {"etc/apt/sources.list.d/debian.sources.off": DEB822}, None),
        ("ubuntu", {"etc/apt/sources.list": ONE_LINE}, None),
    ],
)
def test_host_mirrors(tmp_path: Path, identity: str, files: dict[str, str], expected: tuple[str, str] | None) -> None:
    found = host_mirrors(controller(tmp_path, identity, files))
    assert found == (Mirrors(*(f"http://{each}" for each in expected)) if expected else Mirrors())


def test_no_debian_at_all(tmp_path: Path) -> None:
    assert host_mirrors(tmp_path) == Mirrors()


def test_source_lines_name_the_release_and_the_keyring() -> None:
    lines = Mirrors("http://m.test/d", "http://m.test/s").source_lines(RELEASES["13"])
    assert [line.split("] ")[1] for line in lines] == [
        "http://m.test/d trixie main",
        "http://m.test/d trixie-updates main",
        "http://m.test/s trixie-security main",
    ]
    assert all("signed-by=/usr/share/keyrings/debian-archive-keyring.gpg" in line for line in lines)


def test_only_how_to_fetch_is_taken_over() -> None:
    dump = """\
Acquire::http::Proxy "http://proxy.test:3128";
Acquire::http::Proxy::mirror.test "DIRECT";
Acquire::Check-Valid-Until "false";
Acquire::AllowInsecureRepositories "1";
DPkg::Post-Invoke:: "rm -rf /";
Acquire::Retries "";
"""
    assert fetch_settings(dump) == {
        "Acquire::http::Proxy": "http://proxy.test:3128",
        "Acquire::http::Proxy::mirror.test": "DIRECT",
        "Acquire::Check-Valid-Until": "false",
    }


@pytest.mark.parametrize("text", ["12", "bookworm", "debian12", "Debian 12", "12.11"])
def test_release_names(text: str) -> None:
    assert release_named(text).number == "12"


def test_an_unknown_release_is_told_with_the_known() -> None:
    with pytest.raises(UnknownRelease, match="bookworm"):
        release_named("11")


def test_nothing_is_installed_when_all_is_there(tmp_path: Path) -> None:
    assert install_missing({"sh": "dash", str(tmp_path): "base-files"}) == []
