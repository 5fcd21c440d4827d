"""The program that builds every document, compresses it, and writes them all to standard output."""

from __future__ import annotations

import gzip
import pickle
import sys
from dataclasses import dataclass
from typing import Any

from kprov.kube.apiserver.openapi.remote import RemoteDocument, merge, to_v3
from kprov.kube.apiserver.resources.info import ResourceInfo

_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Documents:
    """Every document, compressed with gzip."""

    v2_json: bytes
    v2_protobuf: bytes
    v3: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class CustomDocuments:
    """A user's kind: its row, and its definitions for OpenAPI 2 and 3."""

    info: ResourceInfo
    v2: dict[str, dict[str, Any]]
    v3: dict[str, dict[str, Any]]


def build(custom: list[CustomDocuments], remotes: list[RemoteDocument]) -> Documents:
    """Build them from the table of kinds, users' own, and what other API servers say of theirs."""
    import orjson

    from kprov import __version__
    from kprov.kube.apiserver.openapi.documents import Builder
    from kprov.kube.apiserver.openapi.protobuf import encode
    from kprov.kube.apiserver.resources.table import RESOURCES

    builder = Builder(RESOURCES.values(), f"v1.32.0+kprov.{__version__}", custom)

    def packed(content: bytes) -> bytes:
        return gzip.compress(content, _LEVEL, mtime=0)

    v2 = builder.v2()
    v3 = {path: builder.v3(path) for path in builder.group_paths()}
    for remote in remotes:
        merge(v2, remote.v2)
        if not remote.v3_url:
            v3[remote.path] = to_v3(remote.v2, v2["info"])
    return Documents(
        packed(orjson.dumps(v2)),
        packed(encode(v2)),
        {path: packed(orjson.dumps(document)) for path, document in v3.items()},
    )


if __name__ == "__main__":
    # By its own name, so that whoever reads it finds the class where it is defined.
    from kprov.kube.apiserver.openapi.build import build as build_all

    given: tuple[list[CustomDocuments], list[RemoteDocument]]
    given = pickle.load(sys.stdin.buffer)  # noqa: S301 - the server's, over its own pipe
    sys.stdout.buffer.write(pickle.dumps(build_all(*given)))
