"""NamespaceLifecycle: nothing is created in a namespace that is not there or is going away."""

from __future__ import annotations

import time

from kprov.kube.api import errors
from kprov.kube.apiserver.admission.attributes import CREATE, DELETE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, Surroundings, forbid
from kprov.kube.apiserver.authentication.objects import NAMESPACES

_IMMORTAL = frozenset(("default", "kube-system", "kube-public", "kube-node-lease"))
_REVIEWS = frozenset(
    (
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
    )
)
_DOUBT_SECONDS = 30.0


class NamespaceLifecycle(Plugin):
    """See the module."""

    name = "NamespaceLifecycle"
    operations = frozenset((CREATE, UPDATE, DELETE))
    subresources = None
    caches = (NAMESPACES,)

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._deleted: dict[str, float] = {}  # the cache may still call these active

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Refuse; nothing is changed. It comes first, before other plugins fill the object in."""
        if attrs.resource_info.key == NAMESPACES:
            if attrs.operation == DELETE:
                if attrs.name in _IMMORTAL:
                    raise forbid(attrs, "this namespace may not be deleted")
                self._deleted[attrs.name] = time.monotonic()
            return
        if not attrs.namespace or attrs.operation == DELETE or attrs.resource_info.key in _REVIEWS:
            return
        namespace = await self._find(attrs.namespace)
        if attrs.operation == CREATE and (namespace.get("status") or {}).get("phase") == "Terminating":
            raise _terminating(attrs)

    async def _find(self, name: str) -> Object:
        """The namespace as the cache has it; as etcd has it where the cache does not, or is doubted."""
        cached = self.store.cached_get(NAMESPACES, "", name)
        deleted = self._deleted.get(name)
        if deleted is not None and time.monotonic() - deleted > _DOUBT_SECONDS:
            del self._deleted[name]
            deleted = None
        if cached is None or deleted is not None:
            return await self.store.get(NAMESPACES, "", name)
        return cached


def _terminating(attrs: AdmissionAttributes) -> errors.ApiError:
    error = forbid(attrs, f"unable to create new content in namespace {attrs.namespace} because it is being terminated")
    error.status.setdefault("details", {})["causes"] = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {attrs.namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    return error
