"""ControllerRevisions: the history of a DaemonSet's or StatefulSet's pod template."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import selectors
from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import CONTROLLER_REVISIONS, Resource
from kprov.kube.controllers.controller import ORPHANS, OWNER_INDEX
from kprov.kube.controllers.ownership import Claims, controller_reference
from kprov.kube.controllers.template import stable_hash

Object = dict[str, Any]
HASH_LABEL = "controller-revision-hash"


def hash_of(revision: Object) -> str:
    """The hash that the revision's pods carry."""
    return str((revision["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def data_of(owner: Object) -> Object:
    """What a revision keeps: a patch that puts this template back (``kubectl rollout undo`` sends it as it is).

    Upstream's controllers and kubectl take a revision for the present one when its data is, to the byte, what Go makes
    of the template: with names in order, and a time of creation, which is null. Where it were not, a controller manager
    of upstream's in the place of ours would restart every pod of every DaemonSet and StatefulSet.
    """
    template = owner["spec"]["template"]
    metadata = {"creationTimestamp": None, **(template.get("metadata") or {})}
    data: Object = _in_order({"spec": {"template": {**template, "metadata": metadata, "$patch": "replace"}}})
    return data


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_in_order(item) for item in value]
    return value


def _same(revision: Object, data: Object) -> bool:
    return bool(_bare(revision.get("data") or {}) == _bare(data))


def _bare(data: Object) -> Any:
    template = dict((data.get("spec") or {}).get("template") or {})
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if v}
    return {**template, "metadata": metadata}


class History:
    """The revisions of one owner."""

    def __init__(self, client: ApiClient, informer: Informer, resource: Resource) -> None:
        self._client = client
        self._informer = informer
        self._resource = resource

    async def claim(self, owner: Object) -> list[Object]:
        """The owner's revisions, oldest first."""
        selector = selectors.from_label_selector(owner["spec"].get("selector") or {})
        found = await Claims(self._client, CONTROLLER_REVISIONS, owner, self._resource).claim(
            self._informer.by_index(OWNER_INDEX, owner["metadata"]["uid"]),
            self._informer.by_index(OWNER_INDEX, ORPHANS + owner["metadata"]["namespace"]),
            lambda revision: selectors.matches(selector, revision["metadata"].get("labels") or {}),
        )
        return sorted(found, key=lambda revision: revision["revision"])

    async def current(self, owner: Object, revisions: list[Object], collisions: int = 0) -> Object:
        """The revision of the owner's template now: found, brought to the top again, or made."""
        data = data_of(owner)
        newest = revisions[-1]["revision"] if revisions else 0
        for revision in reversed(revisions):
            if _same(revision, data):
                if revision["revision"] < newest:
                    updated: Object = await self._client.update(
                        CONTROLLER_REVISIONS, {**revision, "revision": newest + 1}
                    )
                    return updated
                return revision
        metadata = owner["metadata"]
        for attempt in range(collisions, collisions + 5):
            digest = stable_hash(data, attempt)
            revision = {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": {
                    "name": f"{metadata['name']}-{digest}",
                    "namespace": metadata["namespace"],
                    "labels": {
                        **((owner["spec"]["template"].get("metadata") or {}).get("labels") or {}),
                        HASH_LABEL: digest,
                    },
                    "annotations": {
                        k: v
                        for k, v in (metadata.get("annotations") or {}).items()
                        if k != "kubectl.kubernetes.io/last-applied-configuration"
                    },
                    "ownerReferences": [controller_reference(owner, self._resource)],
                },
                "data": data,
                "revision": newest + 1,
            }
            try:
                made: Object = await self._client.create(CONTROLLER_REVISIONS, revision, metadata["namespace"])
                return made
            except ApiError as error:
                if not is_already_exists(error):
                    raise
                existing: Object = await self._client.get(
                    CONTROLLER_REVISIONS, revision["metadata"]["name"], metadata["namespace"]
                )
                if _same(existing, data):
                    return existing
        raise RuntimeError(f"no free name for a revision of {metadata['namespace']}/{metadata['name']}")

    async def trim(self, owner: Object, revisions: list[Object], in_use: set[str]) -> None:
        """Delete the oldest revisions that no pod uses, beyond the owner's history limit."""
        limit = owner["spec"].get("revisionHistoryLimit", 10)
        unused = [revision for revision in revisions if hash_of(revision) not in in_use]
        for revision in unused[: max(0, len(unused) - limit)]:
            metadata = revision["metadata"]
            try:
                await self._client.delete(CONTROLLER_REVISIONS, metadata["name"], metadata["namespace"])
            except ApiError as error:
                if not is_not_found(error):
                    raise
