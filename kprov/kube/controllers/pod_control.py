"""Creating pods from a template and deleting them, with the events that users look for."""

from __future__ import annotations

import asyncio
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.events import EventRecorder
from kprov.kube.api.kinds import PODS, Resource
from kprov.kube.controllers.ownership import controller_reference

Object = dict[str, Any]
CONCURRENT_CALLS = 32


def pod_from_template(template: Object, owner: Object, owner_resource: Resource, *, name: str | None = None) -> Object:
    """A pod that ``owner`` controls, as its template says.

    Its name is generated from the owner's unless one is given.
    """
    meta = template.get("metadata") or {}
    metadata: Object = {
        "namespace": owner["metadata"]["namespace"],
        "labels": dict(meta.get("labels") or {}),
        "ownerReferences": [controller_reference(owner, owner_resource)],
    }
    if meta.get("annotations"):
        metadata["annotations"] = dict(meta["annotations"])
    if meta.get("finalizers"):
        metadata["finalizers"] = list(meta["finalizers"])
    if name:
        metadata["name"] = name
    else:
        # A generated name gets five characters more and must stay a DNS label.
        metadata["generateName"] = owner["metadata"]["name"][:57] + "-"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(template.get("spec") or {})}


class PodControl:
    """Writes pods on behalf of a controller."""

    def __init__(self, client: ApiClient, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder
        # Each call under way holds a TLS connection, and the server's time: more of them would not make it faster.
        self._turns = asyncio.Semaphore(CONCURRENT_CALLS)

    async def create(self, pod: Object, owner: Object) -> Object:
        """Create a pod. Raises ApiError after recording FailedCreate on the owner."""
        try:
            async with self._turns:
                created: Object = await self._client.create(PODS, pod, pod["metadata"]["namespace"])
        except ApiError as error:
            if not namespace_is_terminating(error):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    async def delete(self, pod: Object, owner: Object) -> None:
        """Delete a pod; one that is gone already is no error. Raises ApiError after recording FailedDelete."""
        metadata = pod["metadata"]
        try:
            async with self._turns:
                await self._client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except ApiError as error:
            if is_not_found(error):
                raise
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {metadata['name']}")


def namespace_is_terminating(error: ApiError) -> bool:
    """Whether a creation was refused because the namespace is being deleted: nothing to retry."""
    causes = ((error.status or {}).get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
