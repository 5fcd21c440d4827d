"""What a bundle holds, and how that is written down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the bundle. ``path`` is where it lies now; it is not written down."""

    sha256: str
    size: int
    file: str
    path: Path = field(default=Path(), compare=False)


@dataclass(frozen=True, slots=True)
class Package(Artifact):
    """A Debian package. ``depends`` names the packages of the same bundle that must be there before it."""

    name: str = ""
    version: str = ""
    architecture: str = ""
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image(Artifact):
    """A container image, as an OCI archive with the name that pods call it by."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class DaemonRelease:
    """kprov's daemons for one Debian release: archives that are unpacked over each other into one folder.

    The first has the libraries and changes seldom; the second has kprov itself.
    """

    version: str
    archives: tuple[Artifact, ...]


@dataclass(slots=True)
class Manifest:
    """The whole bundle. Keys say what each part was made from: a part whose key still holds is not made again."""

    packages: dict[str, list[Package]] = field(default_factory=dict)
    libraries: dict[str, Artifact] = field(default_factory=dict)
    daemons: dict[str, DaemonRelease] = field(default_factory=dict)
    images: list[Image] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)

    def artifacts(self) -> list[Artifact]:
        """Every file of the bundle."""
        found: list[Artifact] = [package for packages in self.packages.values() for package in packages]
        found += self.libraries.values()
        found += [archive for release in self.daemons.values() for archive in release.archives]
        return [*found, *self.images]

    def to_text(self) -> str:
        """This manifest as it lies on disk."""
        return json.dumps({"format": FORMAT, **_plain(asdict(self))}, indent=1, sort_keys=True)

    @classmethod
    def from_text(cls, text: str, locate: Any) -> Manifest:
        """Read a manifest.

        Args:
            text: what ``to_text`` wrote.
            locate: function from sha256 and file name to where that artifact lies.

        Raises ValueError, KeyError or TypeError when it is no manifest of this format.
        """
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']} is not {FORMAT}")

        def artifact(row: dict[str, Any]) -> Artifact:
            return Artifact(**row, path=locate(row["sha256"], row["file"]))

        return cls(
            packages={
                release: [
                    Package(**{**row, "depends": tuple(row["depends"])}, path=locate(row["sha256"], row["file"]))
                    for row in rows
                ]
                for release, rows in data["packages"].items()
            },
            libraries={release: artifact(row) for release, row in data["libraries"].items()},
            daemons={
                release: DaemonRelease(row["version"], tuple(artifact(each) for each in row["archives"]))
                for release, row in data["daemons"].items()
            },
            images=[Image(**row, path=locate(row["sha256"], row["file"])) for row in data["images"]],
            keys=data["keys"],
        )


def _plain(value: Any) -> Any:
    """Data for JSON: paths left out, for they belong to this machine."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key != "path"}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
