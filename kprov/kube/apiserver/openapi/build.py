"""The program that builds every document, compresses it, and writes them all to standard output."""

from __future__ import annotations

import gzip
import pickle
import sys
from dataclasses import dataclass
from typing import Any

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


def build(custom: list[CustomDocuments]) -> Documents:
    """Build them from the table of kinds, and users' own."""
    import orjson

    from kprov import __version__
    from kprov.kube.apiserver.openapi.documents import Builder
    from kprov.kube.apiserver.openapi.protobuf import encode
    from kprov.kube.apiserver.resources.table import RESOURCES

    builder = Builder(RESOURCES.values(), f"v1.32.0+kprov.{__version__}", custom)

    def packed(content: bytes) -> bytes:
        return gzip.compress(content, _LEVEL, mtime=0)

    v2 = builder.v2()
    return Documents(
        packed(orjson.dumps(v2)),
        packed(encode(v2)),
        {path: packed(orjson.dumps(builder.v3(path))) for path in builder.group_paths()},
    )


if __name__ == "__main__":
    # By its own name, so that whoever reads it finds the class where it is defined.
    from kprov.kube.apiserver.openapi.build import build as build_all

    given: list[CustomDocuments] = pickle.load(sys.stdin.buffer)  # noqa: S301 - the server's, over its own pipe
    sys.stdout.buffer.write(pickle.dumps(build_all(given)))
