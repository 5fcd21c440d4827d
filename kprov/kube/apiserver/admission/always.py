"""Plugins of one sentence each."""

from __future__ import annotations

from kprov.kube.apiserver.admission.attributes import CREATE, DELETE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Plugin, forbid


class AlwaysAdmit(Plugin):
    """Admits everything; upstream keeps it for old command lines."""

    name = "AlwaysAdmit"
    resources = frozenset()


class AlwaysDeny(Plugin):
    """Refuses everything."""

    name = "AlwaysDeny"
    operations = frozenset((CREATE, UPDATE, DELETE))
    subresources = None

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse."""
        raise forbid(attrs, "admission control is denying all modifications")


class AlwaysPullImages(Plugin):
    """Images are always pulled, so that nobody runs what only another one may pull."""

    name = "AlwaysPullImages"
    resources = frozenset((("", "pods"),))

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Set the policy."""
        spec = (attrs.obj or {})["spec"]
        for field in ("initContainers", "containers", "ephemeralContainers"):
            for container in spec.get(field) or ():
                container["imagePullPolicy"] = "Always"


class NamespaceExists(Plugin):
    """Nothing is written in a namespace that is not there."""

    name = "NamespaceExists"
    operations = frozenset((CREATE, UPDATE, DELETE))
    caches = (("", "namespaces"),)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Look it up."""
        if not attrs.namespace or attrs.resource_info.key == ("", "namespaces"):
            return
        if self.store.cached_get(("", "namespaces"), "", attrs.namespace) is None:
            await self.store.get(("", "namespaces"), "", attrs.namespace)
