"""Owner references: who controls an object, and how a controller adopts and releases what its selector names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import Resource

Object = dict[str, Any]


def controller_of(obj: Object) -> Object | None:
    """The owner reference that is marked as the controller, if there is one."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Whether ``owner`` (by uid) is the controller of ``obj``."""
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def controller_reference(owner: Object, resource: Resource) -> Object:
    """The reference that makes ``owner`` the controller of a new object."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


class Claims:
    """Adopts orphans that match an owner's selector and releases children that no longer do.

    ``fresh_owner`` reads the owner past every cache: an owner that is being deleted must not adopt, or the garbage
    collector would delete what it was told to leave.
    """

    def __init__(self, client: ApiClient, children: Resource, owner: Object, owner_resource: Resource) -> None:
        self._client = client
        self._children = children
        self._owner = owner
        self._owner_resource = owner_resource
        self._may_adopt: bool | None = None

    async def claim(
        self, owned: Iterable[Object], orphans: Iterable[Object], matches: Callable[[Object], bool]
    ) -> list[Object]:
        """The children after adopting and releasing.

        Raises ApiError where a patch failed for another reason than that the child is gone.
        """
        claimed = []
        deleting = bool(self._owner["metadata"].get("deletionTimestamp"))
        for child in owned:
            if matches(child):
                claimed.append(child)
            elif not deleting:
                await self._ignore_gone(self._release(child))
        if deleting:
            return claimed
        for child in orphans:
            if child["metadata"].get("deletionTimestamp") or not matches(child):
                continue
            if not await self._can_adopt():
                break
            adopted = await self._ignore_gone(self._adopt(child))
            if adopted is not None:
                claimed.append(adopted)
        return claimed

    async def _can_adopt(self) -> bool:
        if self._may_adopt is None:
            metadata = self._owner["metadata"]
            try:
                fresh = await self._client.get(self._owner_resource, metadata["name"], metadata["namespace"])
            except ApiError as error:
                if not is_not_found(error):
                    raise
                self._may_adopt = False
            else:
                found = fresh["metadata"]
                self._may_adopt = found["uid"] == metadata["uid"] and not found.get("deletionTimestamp")
        return self._may_adopt

    async def _adopt(self, child: Object) -> Any:
        reference = controller_reference(self._owner, self._owner_resource)
        return await self._patch(child, [reference])

    async def _release(self, child: Object) -> Any:
        return await self._patch(child, [{"$patch": "delete", "uid": self._owner["metadata"]["uid"]}])

    async def _patch(self, child: Object, references: list[Object]) -> Any:
        metadata = child["metadata"]
        patch = {"metadata": {"uid": metadata["uid"], "ownerReferences": references}}
        return await self._client.patch(
            self._children, metadata["name"], metadata["namespace"], patch, patch_type="strategic"
        )

    @staticmethod
    async def _ignore_gone(call: Awaitable[Any]) -> Any:
        try:
            return await call
        except ApiError as error:
            # 422: the uid in the patch is another one now, so the child that was meant is gone.
            if is_not_found(error) or error.code == 422:
                return None
            raise
