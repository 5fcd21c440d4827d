"""What an admission plugin is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import CREATE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.authentication.objects import GroupResource, ObjectStore
from kprov.kube.apiserver.authorization.decision import Authorizer
from kprov.kube.apiserver.authorization.rbac import RBACAuthorizer
from kprov.kube.apiserver.extensions.conversion import Conversion
from kprov.kube.apiserver.services.calling import Caller

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What plugins are made with.

    Args:
        store: objects; plugins read its cache.
        authorizer: who may do what.
        webhooks: calls webhooks.
        conversion: converts objects of custom kinds.
        rbac: the rules behind it, where RBAC is on.
    """

    store: ObjectStore
    authorizer: Authorizer
    webhooks: Caller
    conversion: Conversion
    rbac: RBACAuthorizer | None = None


class Plugin:
    """One rule about writes. Subclasses say what they look at, and override ``mutate``, ``validate`` or both."""

    name = ""
    resources: frozenset[GroupResource] | None = None  # None: all
    operations: frozenset[str] = frozenset((CREATE, UPDATE))
    subresources: frozenset[str] | None = frozenset(("",))  # None: all
    caches: tuple[GroupResource, ...] = ()  # what must be in the watch cache before the first request

    def __init__(self, around: Surroundings) -> None:
        self.store = around.store
        self.around = around

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Change ``attrs.obj``, or raise ApiError to refuse."""

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Raise ApiError to refuse."""

    def looks_at(self, resource: GroupResource, operation: str, subresource: str) -> bool:
        """Whether a write is of interest."""
        return (
            operation in self.operations
            and (self.resources is None or resource in self.resources)
            and (self.subresources is None or subresource in self.subresources)
        )


def forbid(attrs: AdmissionAttributes, message: str) -> ApiError:
    """The error that refuses a write."""
    name = attrs.name
    if not name and attrs.obj is not None:
        metadata = attrs.obj.get("metadata") or {}
        name = metadata.get("name") or metadata.get("generateName") or ""
    return errors.forbidden(attrs.resource_info, name, message)
