"""A bundle with another release in it: the one of a bundle, under another name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kprov.provision.bundle.bundle import Bundle
from kprov.provision.bundle.manifest import DaemonRelease
from kprov.provision.bundle.store import Store


def other_release(source: Path, folder: Path, name: str) -> str:
    """Make it.

    Args:
        source: the bundle that it is made from.
        folder: where it is made, on the same file system: nothing is copied.
        name: what is added to the version.

    Returns: the version.
    """
    shutil.copytree(source, folder, copy_function=os.link, ignore=shutil.ignore_patterns("cache", ".*"))
    store, manifest = Store(folder), Bundle.open(folder).manifest
    version = ""
    with store.locked():
        for debian, release in list(manifest.daemons.items()):
            version = f"{release.version.partition('+')[0]}+{name}"
            manifest.daemons[debian] = DaemonRelease(version, release.archives)
        store.save(manifest)
    return version
