"""Gives the server the documents as bytes, compressed and built once, by a process of their own.

Building them takes a second and tens of megabytes, which a server that runs for months should not keep.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
import sys
from dataclasses import dataclass

from kprov.kube.apiserver.openapi.build import Documents


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document: its gzip bytes, its media type, and a hash that changes with its content."""

    gzipped: bytes
    content_type: str
    etag: str


class OpenApi:
    """The documents of this server. Nothing is built before it is asked for."""

    def __init__(self) -> None:
        self._documents: Documents | None = None
        self._building: asyncio.Task[Documents] | None = None

    async def _all(self) -> Documents:
        if self._documents is None:
            if self._building is None:
                self._building = asyncio.create_task(_build())
            try:
                self._documents = await asyncio.shield(self._building)
            finally:
                if self._building is not None and self._building.done():
                    self._building = None
        return self._documents

    async def v2_json(self) -> Encoded:
        """/openapi/v2 as JSON."""
        return _encoded((await self._all()).v2_json, "application/json")

    async def v2_protobuf(self) -> Encoded:
        """/openapi/v2 as protobuf."""
        kind = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
        return _encoded((await self._all()).v2_protobuf, kind)

    async def v3_index(self) -> dict[str, object]:
        """/openapi/v3: where each document is."""
        documents = (await self._all()).v3
        return {
            "paths": {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(content)}"}
                for path, content in documents.items()
            }
        }

    async def v3_group(self, path: str) -> Encoded | None:
        """/openapi/v3/PATH; None for a group that is not served."""
        content = (await self._all()).v3.get(path)
        return None if content is None else _encoded(content, "application/json")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32].upper()


def _encoded(content: bytes, content_type: str) -> Encoded:
    return Encoded(content, content_type, f'"{_hash(content)}"')


async def _build() -> Documents:
    """Run the builder in a process of its own.

    Raises:
        RuntimeError: it failed; the text is what it said.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kprov.kube.apiserver.openapi.build",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the OpenAPI documents can't be built: {errors.decode(errors='replace')[-500:]}")
    built: Documents = pickle.loads(output)  # noqa: S301 - our own process's answer, over our own pipe
    return built
