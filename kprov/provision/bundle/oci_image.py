"""Writes a container image as an OCI archive: one layer, one configuration, one manifest, one index.

Source of the format: the OCI image specification (image layout, manifest, configuration).
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIGURATION = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(slots=True)
class RootFiles:
    """The files of an image's only layer."""

    files: dict[str, bytes] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)

    def layer(self) -> bytes:
        """The layer as a tar, the same bytes for the same files."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, mode in sorted(self.folders.items()):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                archive.addfile(entry)
            for name, content in sorted(self.files.items()):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755 if name in self.programs else 0o644
                archive.addfile(entry, io.BytesIO(content))
            for name, target in sorted(self.links.items()):
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
                archive.addfile(entry)
        return buffer.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def write_archive(target: Path, name: str, root: RootFiles, run: Mapping[str, Any]) -> None:
    """Write an image that ``ctr images import`` takes under its name.

    Args:
        target: the archive to write.
        name: the whole name, with registry and tag.
        root: its files.
        run: what to run and how: the specification's ``config`` (Cmd, Entrypoint, Env, ...).
    """
    layer = root.layer()
    configuration = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": dict(run),
            "rootfs": {"type": "layers", "diff_ids": [_descriptor(_LAYER, layer)["digest"]]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIGURATION, configuration),
            "layers": [_descriptor(_LAYER, layer)],
        }
    )
    # containerd reads the first annotation, others the second.
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    described = {**_descriptor(_MANIFEST, manifest), "annotations": names}
    index = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [described]})
    blobs = {_descriptor("", blob)["digest"].removeprefix("sha256:"): blob for blob in (layer, configuration, manifest)}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": index}
    files |= {f"blobs/sha256/{digest}": blob for digest, blob in blobs.items()}
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
