"""Apt, for a release that the controller need not run: its own folders, sources and trust, none of the host's."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kprov.debian.apt_settings import fetch_settings
from kprov.debian.mirrors import KEYRING, Mirrors, host_mirrors
from kprov.debian.releases import Release
from kprov.provision.bundle.errors import BundleError

_INSTALL = re.compile(
    r"^Inst (?P<name>[^\s:]+)(?::\S+)? \((?P<version>\S+) .*\[(?P<architecture>\w+)\]\)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A package that apt chose."""

    name: str
    version: str
    architecture: str


class PrivateApt:
    """Apt with a root of its own.

    Args:
        folder: where it keeps its lists; reused between builds.
        release: whose packages.
        mirrors: where from; the controller's own when None.
    """

    def __init__(self, folder: Path, release: Release, mirrors: Mirrors | None = None) -> None:
        self._folder = folder
        self._release = release
        for name in ("etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "dpkg"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "dpkg/status").write_text("")
        lines = (mirrors or host_mirrors()).source_lines(release)
        (folder / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
        settings = {
            "Dir": str(folder),
            "Dir::State::status": str(folder / "dpkg/status"),
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",  # the controller's hooks and pins are no concern of the machines
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::trusted": "/dev/null",
            "Dir::Etc::trustedparts": "/dev/null",
            "Dir::Bin::methods": "/usr/lib/apt/methods",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::Languages": "none",
            **fetch_settings(),
        }
        self._configuration = folder / "apt.conf"
        self._configuration.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))

    def _run(self, *command: str, folder: Path | None = None) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self._configuration), "LC_ALL": "C"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=folder, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise BundleError(f"{' '.join(command[:3])} for {self._release.codename}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def refresh(self) -> None:
        """Fetch the lists of packages. Raises BundleError when a mirror or its signature fails."""
        if not KEYRING.exists():
            raise BundleError(f"{KEYRING} is missing; install the package debian-archive-keyring")
        self._run("apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any")

    def resolve(self, names: Sequence[str]) -> list[Choice]:
        """All packages that an empty system would install for these names, in the order in which apt unpacks them."""
        text = self._run("apt-get", "install", "--simulate", "-q", *names)
        return [Choice(**found.groupdict()) for found in _INSTALL.finditer(text)]

    def essential(self) -> list[str]:
        """Names of the packages that every Debian has: the essential ones and those of priority required."""
        return [
            row["Package"]
            for row in paragraphs(self._run("apt-cache", "dumpavail"))
            if row.get("Essential") == "yes" or row.get("Priority") == "required"
        ]

    def describe(self, choices: Iterable[Choice]) -> dict[str, dict[str, str]]:
        """The control fields of the chosen packages, by name."""
        words = [f"{choice.name}={choice.version}" for choice in choices]
        return {row["Package"]: row for row in paragraphs(self._run("apt-cache", "show", *words))}

    def download(self, choices: Iterable[Choice], folder: Path) -> None:
        """Fetch packages into a folder; apt checks them against the signed lists."""
        words = [f"{choice.name}={choice.version}" for choice in choices]
        if words:
            self._run("apt-get", "download", "-q", *words, folder=folder)


def paragraphs(text: str) -> Iterable[dict[str, str]]:
    """The paragraphs of Debian's control format; continuation lines are left out, nobody here reads them."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line[0].isspace())
        if "Package" in fields:
            yield fields
