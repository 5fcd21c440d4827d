"""Everything that a cluster is, as one sealed file: a tar archive of the inventory, the controller's keys, a snapshot.

Runs, locks and remembered facts are not part of it: they are history. Nor is anything that lies outside of the
inventory's folder, such as SSH keys.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import kprov
from kprov.provision import atomic
from kprov.provision.cluster.lost_members import lost_members
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.storage.snapshot_file import check
from kprov.provision.inventory import Inventory
from kprov.provision.pki.files import make_private_folder, write_private
from kprov.provision.pki.sealed_file import seal, unseal

_BESIDE = ("group_vars", "host_vars")
# The keys of Secrets come after the authorities: of another cluster, those are refused first.
_CHANGED_BY_RUNS = frozenset({"admin.kubeconfig", "encryption-keys.json"})
_SNAPSHOT, _ABOUT = "etcd.db", "about.json"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Where the parts are."""

    inventory: Path
    state: Path
    snapshot: Path


def write_archive(target: Path, inventory: Inventory, snapshot: Path, passphrase: str) -> list[str]:
    """Write it, mode 0600: whole, or as it was. Returns: the names of the files in it."""
    names = []
    with tempfile.TemporaryFile(dir=snapshot.parent) as stream:  # has no name: it is gone with the process
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for name, path in _parts(inventory, snapshot):
                archive.add(path, arcname=name, recursive=False)
                names.append(name)
            about = {
                "cluster": inventory.cluster.cluster_name,
                "inventory": inventory.path.name,
                "kprov": kprov.__version__,
                "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "machines": {host.name: list(host.groups) for host in inventory.hosts.values()},
                "lost_etcd_members": lost_members(inventory.cluster.state_directory),
            }
            content = json.dumps(about, indent=1).encode()
            entry = tarfile.TarInfo(_ABOUT)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
        stream.seek(0)
        with atomic.replacing(target, mode=atomic.PRIVATE) as output:
            seal(stream, output, passphrase)
    return [*names, _ABOUT]


def _parts(inventory: Inventory, snapshot: Path) -> Iterator[tuple[str, Path]]:
    source = inventory.path
    if source.is_dir():
        yield from ((f"inventory/{source.name}/{path.relative_to(source)}", path) for path in _files(source))
    else:
        yield f"inventory/{source.name}", source
        for name in _BESIDE:
            yield from ((f"inventory/{path.relative_to(source.parent)}", path) for path in _files(source.parent / name))
    state = inventory.cluster.state_directory
    yield from ((f"state/{path.relative_to(state)}", path) for path in _files(state / "pki"))
    yield from ((f"state/{path.name}", path) for path in [state / "admin.kubeconfig"] if path.exists())
    yield _SNAPSHOT, snapshot


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def unpack_archive(file: Path, folder: Path, passphrase: str, inventory: Path | None = None) -> Unpacked:
    """Unseal a backup into a folder.

    Args: ``inventory`` takes the place of the one that was saved.

    Raises:
        PkiError, SealedError: the file is damaged, or the passphrase wrong. Nothing was written.
        ClusterError: the folder holds something else.
    """
    make_private_folder(folder)
    with tempfile.TemporaryFile(dir=folder) as plain:
        for part in unseal(file, passphrase):
            plain.write(part)
        plain.seek(0)
        with tarfile.open(fileobj=plain, mode="r:gz") as archive:
            contents: dict[str, tarfile.TarInfo] = {entry.name: entry for entry in archive if entry.isfile()}
            for name in contents:
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts:
                    raise ClusterError(f"{file} holds a file outside of its folder: {name}")
            read = {name: archive.extractfile(entry) for name, entry in contents.items()}
            about = json.loads(_bytes(read[_ABOUT])) if _ABOUT in read else {}
            if not about or _SNAPSHOT not in read:
                raise ClusterError(f"{file} is no backup of a cluster")
            for name, stream in read.items():
                if name != _SNAPSHOT and not (inventory is not None and name.startswith("inventory/")):
                    _put(folder / name, _bytes(stream))
            _put(folder / _SNAPSHOT, _bytes(read[_SNAPSHOT]))
    check(folder / _SNAPSHOT)
    found = inventory or folder / "inventory" / about["inventory"]
    return Unpacked(found, folder / "state", folder / _SNAPSHOT)


def _bytes(stream: object) -> bytes:
    assert hasattr(stream, "read")
    content: bytes = stream.read()
    return content


def _put(path: Path, content: bytes) -> None:
    """Raises ClusterError where something else lies there, but for what runs change: the next one goes on with that."""
    if path.exists() and path.read_bytes() != content:
        if path.name in _CHANGED_BY_RUNS:
            return
        raise ClusterError(f"{path} is there, and is not what the backup has: choose an empty folder with --into")
    write_private(path, content)
