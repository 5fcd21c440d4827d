"""Builds a bundle: makes what is missing or was made from something else, leaves the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kprov.debian.mirrors import host_mirrors
from kprov.debian.releases import RELEASES, release_named
from kprov.provision.bundle import daemons, debian_packages, images, libraries
from kprov.provision.bundle.bundle import Bundle, default_directory
from kprov.provision.bundle.contents import PACKAGES
from kprov.provision.bundle.errors import BundleError
from kprov.provision.bundle.manifest import DaemonRelease, Manifest
from kprov.provision.bundle.store import Store


def build(
    directory: Path | None = None,
    *,
    releases: tuple[str, ...] = tuple(RELEASES),
    refresh: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Gather everything that machines need.

    Args:
        directory: where; ``default_directory()`` when None.
        releases: Debian releases of the machines.
        refresh: ask the mirrors for newer packages also where nothing else changed.
        say: told of each part that is made.

    Returns the bundle, checked. Raises BundleError with the words of apt or pip; what was made so far is kept.
    """
    folder = directory or default_directory()
    store = Store(folder)
    mirrors = host_mirrors()
    wanted = [release_named(name) for name in releases]
    with store.locked(say):
        store.clear_scratch()
        manifest = store.load() or Manifest()
        _drop_damaged(store, manifest)

        def outdated(part: str, key: str, present: bool) -> bool:
            return not present or manifest.keys.get(part) != key

        for release in wanted:
            key, rows = debian_packages.key_of(PACKAGES, mirrors), manifest.packages.get(release.number, [])
            part = f"packages {release.number}"
            if refresh or outdated(part, key, bool(rows) and store.holds(rows)):
                say(f"gathering Debian packages for Debian {release.number}")
                rows, base = debian_packages.gather(store, release, PACKAGES, mirrors)
                manifest.packages[release.number] = rows
                manifest.keys |= {part: key, f"base {release.number}": " ".join(sorted(base))}
                store.save(manifest)
            key, found = libraries.key_of(release), manifest.libraries.get(release.number)
            part = f"libraries {release.number}"
            if outdated(part, key, found is not None and store.holds([found])):
                say(f"gathering the daemons' libraries for Debian {release.number} (Python {release.python})")
                manifest.libraries[release.number] = libraries.gather(store, release)
                manifest.keys[part] = key
                store.save(manifest)
        key = images.key_of(mirrors)
        if refresh or outdated("images", key, bool(manifest.images) and store.holds(manifest.images)):
            say("making the container images")
            manifest.images = images.gather(store, mirrors)
            manifest.keys["images"] = key
            store.save(manifest)
        version = daemons.version({release.number: manifest.libraries[release.number] for release in wanted})
        for release in wanted:
            present = manifest.daemons.get(release.number)
            if present is None or present.version != version or not store.holds(present.archives):
                say(f"packing kprov {version} for Debian {release.number}")
                archives = (manifest.libraries[release.number], daemons.gather(store, release))
                manifest.daemons[release.number] = DaemonRelease(version, archives)
        store.save(manifest)
    return Bundle.open(folder)


def _drop_damaged(store: Store, manifest: Manifest) -> None:
    """Remove files that are not what their names say, so that they count as missing."""
    for artifact in manifest.artifacts():
        try:
            store.verify([artifact])
        except BundleError:
            artifact.path.unlink(missing_ok=True)
