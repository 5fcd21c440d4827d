"""dpkg's table of packages, read from its file: asking the program costs ten times as much."""

from __future__ import annotations

import os


class Package:
    """One row of the table."""

    __slots__ = ("architecture", "name", "provides", "status", "version")

    def __init__(self, name: str, version: str, architecture: str, status: str, provides: str = "") -> None:
        self.name = name
        self.version = version
        self.architecture = architecture
        self.status = status
        self.provides = provides

    @property
    def installed(self) -> bool:
        """Unpacked and configured."""
        return self.status.endswith(" installed")

    @property
    def provided(self) -> set[str]:
        """The names of packages that it stands for."""
        return {entry.split()[0].partition(":")[0] for entry in self.provides.split(",") if entry.strip()}

    @property
    def half_done(self) -> bool:
        """Left in the middle by something that was cut off."""
        return self.status.rsplit(" ", 1)[-1] in (
            "half-installed",
            "unpacked",
            "half-configured",
            "triggers-awaited",
            "triggers-pending",
        )


def _field(stanza: bytes, key: bytes) -> str:
    """A field's value, empty where there is none; a search for each takes a fifth of an expression's time."""
    found = stanza.find(key)
    if found < 0:
        return ""
    start = found + len(key)
    end = stanza.find(b"\n", start)
    return stanza[start : end if end >= 0 else len(stanza)].decode(errors="replace")


def table(path: str = "/var/lib/dpkg/status") -> list[Package]:
    """Every package that dpkg knows of; none where there is no dpkg."""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        return []
    packages: list[Package] = []
    for lines in data.split(b"\n\n"):
        stanza = b"\n" + lines
        name = _field(stanza, b"\nPackage: ")
        if name:
            packages.append(
                Package(
                    name,
                    _field(stanza, b"\nVersion: "),
                    _field(stanza, b"\nArchitecture: "),
                    _field(stanza, b"\nStatus: "),
                    _field(stanza, b"\nProvides: "),
                )
            )
    return packages


_PROGRAMS = ("/bin/", "/sbin/", "/lib/", "/usr/bin/", "/usr/sbin/", "/usr/lib/")


def lost_files(package: Package, folder: str = "/var/lib/dpkg") -> list[str]:
    """Programs, libraries and units of a package that are not there any more; those that are diverted don't count."""
    for name in (package.name, "%s:%s" % (package.name, package.architecture)):
        try:
            with open("%s/info/%s.list" % (folder, name)) as stream:
                files = [line for line in stream.read().splitlines() if line.startswith(_PROGRAMS)]
            break
        except OSError:
            continue
    else:
        return []
    lost = [path for path in files if not os.path.lexists(path)]
    if lost:
        try:
            with open(folder + "/diversions") as stream:
                diverted = set(stream.read().splitlines())
        except OSError:
            diverted = set()
        lost = [path for path in lost if path not in diverted]
    return lost
