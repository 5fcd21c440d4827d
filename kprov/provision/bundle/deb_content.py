"""Reads files out of a Debian package without installing it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from kprov.provision.bundle.errors import BundleError


def _members(raw: bytes) -> dict[str, bytes]:
    """The members of an ar archive, by name: 60 bytes of header each, data padded to even length."""
    if not raw.startswith(b"!<arch>\n"):
        raise BundleError("not a Debian package")
    found, at = {}, 8
    while at + 60 <= len(raw):
        header = raw[at : at + 60]
        size = int(header[48:58])
        found[header[:16].decode().strip().rstrip("/")] = raw[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    return found


def file_in(package: Path, name: str) -> bytes:
    """One file's content.

    Args:
        package: the .deb.
        name: the file's path in it, such as ``usr/bin/catatonit``.

    Raises BundleError when the package has no such file.
    """
    data = next((content for member, content in _members(package.read_bytes()).items() if "data.tar" in member), b"")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            if member.name.lstrip("./") == name and (file := archive.extractfile(member)):
                return file.read()
    raise BundleError(f"{package.name} has no file {name}")
