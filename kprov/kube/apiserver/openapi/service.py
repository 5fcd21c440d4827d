"""Gives the server the documents as bytes, compressed and built once, by a process of their own.

Building them takes a second and tens of megabytes, which a server that runs for months should not keep.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass

from kprov.kube.apiserver.extensions.kinds import all_kinds
from kprov.kube.apiserver.extensions.openapi import definitions
from kprov.kube.apiserver.openapi.build import CustomDocuments, Documents
from kprov.kube.apiserver.openapi.remote import RemoteDocument
from kprov.kube.apiserver.resources.table import on_change


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document: its gzip bytes, its media type, and a hash that changes with its content."""

    gzipped: bytes
    content_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class _Build:
    """A build that runs, and how often the kinds had changed when it began."""

    changes: int
    task: asyncio.Task[Documents]


_forget: list[Callable[[], None]] = []


def schemas_changed() -> None:
    """Other servers' documents are no longer what they were."""
    for each in _forget:
        each()


class OpenApi:
    """The documents of this server. Nothing is built before it is asked for, and again when kinds change.

    Args:
        remotes: gives other servers' documents.
    """

    def __init__(self, remotes: Callable[[], list[RemoteDocument]] = list) -> None:
        self._remotes = remotes
        self._changes = 0
        self._documents: Documents | None = None
        self._building: _Build | None = None
        on_change(self._forget)
        _forget.append(self._forget)

    def _forget(self) -> None:
        self._changes += 1
        self._documents = None

    async def _all(self) -> Documents:
        """The documents, as old as the question at most: who asks while kinds come and go waits for two builds.

        One is built at a time, whatever happens meanwhile.
        """
        asked = self._changes
        while self._documents is None:
            if self._building is None:
                self._building = _Build(self._changes, asyncio.create_task(_build(self._remotes())))
            building = self._building
            try:
                documents = await asyncio.shield(building.task)
            finally:
                if self._building is building and building.task.done():
                    self._building = None
            if building.changes == self._changes:
                self._documents = documents
            if building.changes >= asked:
                return documents
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
        urls = {path: f"/openapi/v3/{path}?hash={_hash(content)}" for path, content in documents.items()}
        urls |= {each.path: each.v3_url for each in self._remotes() if each.v3_url}
        return {"paths": {path: {"serverRelativeURL": url} for path, url in sorted(urls.items())}}

    async def v3_group(self, path: str) -> Encoded | None:
        """/openapi/v3/PATH; None for a group that is not served."""
        content = (await self._all()).v3.get(path)
        return None if content is None else _encoded(content, "application/json")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32].upper()


def _encoded(content: bytes, content_type: str) -> Encoded:
    return Encoded(content, content_type, f'"{_hash(content)}"')


async def _build(remotes: list[RemoteDocument]) -> Documents:
    """Run the builder in a process of its own.

    Raises:
        RuntimeError: it failed; the text is what it said.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kprov.kube.apiserver.openapi.build",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    custom = [CustomDocuments(each.info, definitions(each, 2), definitions(each, 3)) for each in all_kinds()]
    output, errors = await process.communicate(pickle.dumps((custom, remotes)))
    if process.returncode:
        raise RuntimeError(f"the OpenAPI documents can't be built: {errors.decode(errors='replace')[-500:]}")
    built: Documents = pickle.loads(output)  # noqa: S301 - our own process's answer, over our own pipe
    return built
