"""Gathers Debian packages for one release: resolved by apt, fetched by apt, less what every Debian has."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from kprov.debian.mirrors import Mirrors
from kprov.debian.releases import Release
from kprov.provision.bundle.dependencies import needs, provided_by
from kprov.provision.bundle.errors import BundleError
from kprov.provision.bundle.manifest import Package
from kprov.provision.bundle.private_apt import Choice, PrivateApt
from kprov.provision.bundle.store import Store, sha256_of


def key_of(names: tuple[str, ...], mirrors: Mirrors) -> str:
    """What a set of packages is made from."""
    return hashlib.sha256(json.dumps([names, mirrors.archive, mirrors.security]).encode()).hexdigest()


def gather(
    store: Store, release: Release, names: tuple[str, ...], mirrors: Mirrors, *, for_images: bool = False
) -> tuple[list[Package], set[str]]:
    """Resolve and fetch packages.

    Args:
        store: where they go; packages that it holds already are not fetched again.
        release: whose packages.
        names: the packages wanted.
        mirrors: where from.
        for_images: an image has nothing beforehand, so what every Debian has is left out only if it is not named.

    Returns the packages in the order of unpacking, and the names that every Debian of this release has.
    """
    apt = PrivateApt(store.cache / f"apt-{release.codename}", release, mirrors)
    apt.refresh()
    everywhere = apt.resolve(apt.essential())
    base = {choice.name for choice in everywhere}
    kept = frozenset(names) if for_images else frozenset[str]()
    choices = [choice for choice in apt.resolve(names) if choice.name not in base or choice.name in kept]
    fields = apt.describe(choices)
    base_names = base | set(provided_by(apt.describe(everywhere)))
    providers = provided_by(fields)
    packages = {choice.name: _package(store, choice, fields[choice.name]) for choice in choices}
    missing = [choice for choice in choices if not store.holds([packages[choice.name]])]
    with store.scratch() as folder:
        apt.download(missing, folder)
        found = {sha256_of(path): path for path in folder.glob("*.deb")}
        for choice in missing:
            package = packages[choice.name]
            if package.sha256 not in found:
                raise BundleError(f"apt did not fetch {choice.name} {choice.version} as its lists describe it")
            store.add(found[package.sha256], package.file)
    complete = [
        Package(
            sha256=packages[choice.name].sha256,
            size=packages[choice.name].size,
            file=packages[choice.name].file,
            path=packages[choice.name].path,
            name=choice.name,
            version=choice.version,
            architecture=choice.architecture,
            depends=needs(fields[choice.name], providers, base_names),
        )
        for choice in choices
    ]
    return complete, base


def _package(store: Store, choice: Choice, row: dict[str, str]) -> Package:
    file = Path(row["Filename"]).name
    return Package(
        sha256=row["SHA256"],
        size=int(row["Size"]),
        file=file,
        path=store.path_of(row["SHA256"], file),
        name=choice.name,
        version=choice.version,
        architecture=choice.architecture,
    )
