"""What other API servers say of their schemas, read again whenever it changed."""

from __future__ import annotations

import orjson

from kprov.kube.apiserver.aggregation.api_service import GroupVersion, Remote
from kprov.kube.apiserver.aggregation.availability import Asking
from kprov.kube.apiserver.openapi.remote import RemoteDocument, part_of
from kprov.kube.apiserver.openapi.service import schemas_changed


class RemoteSchemas:
    """The documents of all other servers.

    Args:
        asking: how they are asked.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._documents: dict[GroupVersion, RemoteDocument] = {}
        self._tags: dict[GroupVersion, str] = {}

    def documents(self) -> list[RemoteDocument]:
        """What is known now."""
        return list(self._documents.values())

    def has_v3(self, key: GroupVersion) -> bool:
        """Whether a server has OpenAPI 3 of its own for a group and version."""
        found = self._documents.get(key)
        return found is not None and bool(found.v3_url)

    def forget(self, key: GroupVersion) -> None:
        """A server is none any more."""
        self._tags.pop(key, None)
        if self._documents.pop(key, None) is not None:
            schemas_changed()

    async def refresh(self, remote: Remote) -> None:
        """Read a server's documents. Raises what asking raises."""
        if not remote.group:
            return
        path = remote.path.strip("/")
        tag = self._tags.get(remote.key, "")
        status, body, new_tag = await self._asking.get(remote, "/openapi/v2", {"If-None-Match": tag} if tag else {})
        present = self._documents.get(remote.key)
        if status == 304 and present is not None:
            v2 = present.v2
        elif status == 200:
            whole = orjson.loads(body)
            v2 = part_of(whole if isinstance(whole, dict) else {}, path)
            self._tags[remote.key] = new_tag
        else:
            v2 = {"paths": {}, "definitions": {}}
        found = RemoteDocument(path, v2, await self._v3_url(remote, path))
        if found != present:
            self._documents[remote.key] = found
            schemas_changed()

    async def _v3_url(self, remote: Remote, path: str) -> str:
        """Where a server's own OpenAPI 3 is, below /openapi/v3; nothing where it has none."""
        status, body, _ = await self._asking.get(remote, "/openapi/v3")
        if status != 200:
            return ""
        index = orjson.loads(body)
        paths = index.get("paths") if isinstance(index, dict) else None
        entry = paths.get(path) if isinstance(paths, dict) else None
        url = entry.get("serverRelativeURL") if isinstance(entry, dict) else None
        return url if isinstance(url, str) and url.startswith(f"/openapi/v3/{path}") else ""
