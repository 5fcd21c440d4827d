"""A snapshot of etcd as a file on the controller: its name, its checksums, and what makes it one.

`etcdctl snapshot save` appends the SHA-256 of the database to it (etcd, client/v3 snapshot: the file's length is then
32 more than a multiple of 512). Beside the file lies NAME.sha256, in the form that `sha256sum --check` reads.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kprov.provision.cluster.phase import ClusterError
from kprov.provision.pki.files import write_private

_DIGEST = 32
_PAGE = 512
_CHUNK = 1 << 20


class SnapshotError(ClusterError):
    """A file is no snapshot that etcd may be restored from. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A snapshot that was checked."""

    path: Path
    sha256: str
    size: int


def default_name(cluster: str, now: datetime | None = None) -> str:
    """The name of a new snapshot: they sort by age."""
    return f"{cluster}-etcd-{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}.db"


def checksum_path(snapshot: Path) -> Path:
    """Where a snapshot's checksum lies."""
    return snapshot.with_name(snapshot.name + ".sha256")


def write_checksum(snapshot: Path, sha256: str) -> None:
    """Write it, mode 0600."""
    write_private(checksum_path(snapshot), f"{sha256}  {snapshot.name}\n".encode())


def check(path: Path) -> SnapshotFile:
    """Check a snapshot: against the checksum beside it, where there is one, and against the one inside, always.

    Raises:
        SnapshotError: it is missing, damaged, cut off, or no snapshot.
    """
    try:
        size = path.stat().st_size
        whole, inner = hashlib.sha256(), hashlib.sha256()
        with path.open("rb") as stream:
            left = size - _DIGEST
            while block := stream.read(min(_CHUNK, left)) if left > 0 else b"":
                left -= len(block)
                whole.update(block)
                inner.update(block)
            end = stream.read()
            whole.update(end)
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from None
    found = whole.hexdigest()
    wanted = _wanted(path)
    if wanted is not None and wanted != found:
        raise SnapshotError(
            f"{path} is not what it was: its SHA-256 is {found}, and {checksum_path(path).name} says {wanted}. "
            "Take another snapshot: a damaged one would be the end of the cluster"
        )
    if size % _PAGE != _DIGEST:
        raise SnapshotError(
            f"{path} is no snapshot of etcd, or was cut off: `kprov etcd backup` and `etcdctl snapshot save` make "
            "them; a copy of etcd's database file (member/snap/db) is none"
        )
    if end != inner.digest():
        raise SnapshotError(f"{path} is damaged: it does not have the SHA-256 that etcd wrote at its end")
    return SnapshotFile(path, found, size)


def _wanted(path: Path) -> str | None:
    """What the file beside it says. Raises SnapshotError when that can't be read."""
    beside = checksum_path(path)
    try:
        text = beside.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotError(f"{beside} can't be read: {error}") from None
    word = text.split()[0].lower() if text.split() else ""
    if not re.fullmatch(r"[0-9a-f]{64}", word):
        raise SnapshotError(f"{beside} holds no SHA-256: write it anew with `sha256sum`, if you trust {path.name}")
    return word
