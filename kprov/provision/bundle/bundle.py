"""A bundle as its users see it: open it, take packages, daemons and images out of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kprov.debian.releases import release_named
from kprov.provision.bundle.errors import BundleError
from kprov.provision.bundle.manifest import DaemonRelease, Image, Manifest, Package
from kprov.provision.bundle.store import Store


def default_directory() -> Path:
    """Where a bundle lies unless the inventory says otherwise: $KPROV_BUNDLE, else the system's or the user's cache."""
    if given := os.environ.get("KPROV_BUNDLE"):
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/cache/kprov/bundle")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kprov/bundle"


class Bundle:
    """What machines need, whole and checked."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self.manifest = manifest
        self.folder = folder

    @classmethod
    def open(cls, directory: Path | None = None) -> Bundle:
        """Open a bundle and check every file of it against its hash.

        Args:
            directory: where it lies; ``default_directory()`` when None.

        Raises BundleError when there is none or a file of it is wrong.
        """
        folder = directory or default_directory()
        if folder.exists() and not folder.is_dir():
            raise BundleError(f"{folder} is a file; a bundle is a folder, which kprov bundle build makes")
        store = Store(folder)
        manifest = store.load()
        if manifest is None:
            raise BundleError(f"there is no bundle in {folder}; gather one with: kprov bundle build")
        store.verify(manifest.artifacts())
        return cls(manifest, folder)

    def packages(self, release: str, names: Iterable[str]) -> list[Package]:
        """The packages of those names with all that they depend on, in an order in which they can be unpacked.

        What every Debian has (its essential packages and what these need) is left out.

        Args:
            release: Debian's number or codename.
            names: package names; those that every Debian has are passed over.

        Raises BundleError for a name that the bundle lacks.
        """
        rows = self.manifest.packages.get(release_named(release).number)
        if rows is None:
            raise BundleError(f"the bundle has nothing for Debian {release}; gather it with: kprov bundle build")
        by_name = {row.name: row for row in rows}
        wanted: set[str] = set()
        left = list(names)
        base = set(self.manifest.keys.get(f"base {release_named(release).number}", "").split())
        while left:
            name = left.pop()
            if name in wanted or name in base:
                continue
            if name not in by_name:
                raise BundleError(f"the bundle has no package {name} for Debian {release}")
            wanted.add(name)
            left.extend(by_name[name].depends)
        return [row for row in rows if row.name in wanted]

    def release_for(self, release: str) -> DaemonRelease:
        """kprov's daemons for a Debian release. Raises BundleError when the bundle has none."""
        try:
            return self.manifest.daemons[release_named(release).number]
        except KeyError:
            raise BundleError(f"the bundle has no daemons for Debian {release}; run: kprov bundle build") from None

    def images(self) -> list[Image]:
        """The container images."""
        return list(self.manifest.images)
