"""Which mirrors to fetch Debian from: those that the controller itself uses, else Debian's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kprov.debian.releases import Release

PUBLIC_ARCHIVE = "http://deb.debian.org/debian"
PUBLIC_SECURITY = "http://deb.debian.org/debian-security"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_ONE_LINE = re.compile(r"^deb\s+(?:\[[^]]*]\s+)?(\S+)\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The archive and the security archive."""

    archive: str = PUBLIC_ARCHIVE
    security: str = PUBLIC_SECURITY

    def source_lines(self, release: Release, *, signed_by: Path = KEYRING) -> list[str]:
        """The lines of a sources.list that offers one release with its updates and security fixes."""
        option = f"[arch=amd64 signed-by={signed_by}]"
        return [
            f"deb {option} {self.archive} {release.codename} main",
            f"deb {option} {self.archive} {release.codename}-updates main",
            f"deb {option} {self.security} {release.codename}-security main",
        ]


def _one_line_entries(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if found := _ONE_LINE.match(line.strip()):
            yield found[1], found[2]


def _deb822_entries(text: str) -> Iterator[tuple[str, str]]:
    for paragraph in re.split(r"\n\s*\n", text):
        fields = {
            name.strip().lower(): value.split()
            for name, colon, value in (
                line.partition(":") for line in paragraph.splitlines() if not line.lstrip().startswith("#")
            )
            if colon
        }
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            yield from ((uri, suite) for uri in fields.get("uris", []) for suite in fields.get("suites", []))


def host_mirrors(root: Path = Path("/")) -> Mirrors:
    """The mirrors of the controller's own apt sources, where it is a Debian; Debian's public ones otherwise.

    Args:
        root: where the controller's files lie (another folder in tests).
    """
    try:
        system = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', (root / "etc/os-release").read_text(), re.MULTILINE))
    except OSError:
        return Mirrors()
    codename = system.get("VERSION_CODENAME", "")
    if system.get("ID") != "debian" or not codename:
        return Mirrors()
    apt = root / "etc/apt"
    entries: list[tuple[str, str]] = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix in {".list", ".sources"}:
            text = path.read_text(errors="replace")
            entries += _deb822_entries(text) if path.suffix == ".sources" else _one_line_entries(text)
    archive = next((uri for uri, suite in entries if suite == codename), PUBLIC_ARCHIVE)
    security = next((uri for uri, suite in entries if suite == f"{codename}-security"), PUBLIC_SECURITY)
    return Mirrors(archive.rstrip("/"), security.rstrip("/"))
