"""Volumes and claims in use are not deleted: a finalizer holds them until nobody uses them."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, Resource
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import Context, Controller

Object = dict[str, Any]


class _Protection(Controller):
    resource: Resource
    finalizer: str

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.protected = self.watch(self.resource, on_add=self.enqueue, on_update=lambda _, new: self.enqueue(new))

    def in_use(self, obj: Object) -> bool:
        """Whether something still uses the object."""
        raise NotImplementedError

    async def reconcile(self, key: str) -> None:
        """Put the finalizer on, or take it off a deleted object that nobody uses."""
        obj = self.protected.get(key)
        if obj is None:
            return
        finalizers = obj["metadata"].get("finalizers") or []
        held, leaving = self.finalizer in finalizers, bool(obj["metadata"].get("deletionTimestamp"))
        if leaving and held and not self.in_use(obj):
            finalizers = [f for f in finalizers if f != self.finalizer]
        elif not leaving and not held:
            finalizers = [*finalizers, self.finalizer]
        else:
            return
        try:
            await self.client.update(self.resource, {**obj, "metadata": {**obj["metadata"], "finalizers": finalizers}})
        except ApiError as error:
            if not is_not_found(error):
                raise


class ClaimProtection(_Protection):
    """Holds claims that a pod uses."""

    name = "pvc-protection"
    account = "pvc-protection-controller"
    resource = PERSISTENT_VOLUME_CLAIMS
    finalizer = "kubernetes.io/pvc-protection"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = self.watch(PODS, on_update=lambda _, new: self._pod_changed(new), on_delete=self._pod_changed)

    @staticmethod
    def _claims_of(pod: Object) -> set[str]:
        volumes = pod["spec"].get("volumes") or ()
        return {v["persistentVolumeClaim"]["claimName"] for v in volumes if v.get("persistentVolumeClaim")}

    def _pod_changed(self, pod: Object) -> None:
        for name in self._claims_of(pod):
            self.queue.add(f"{pod['metadata']['namespace']}/{name}")

    def in_use(self, obj: Object) -> bool:
        """Whether a pod that has not ended names the claim."""
        return any(
            obj["metadata"]["name"] in self._claims_of(pod)
            and pod["spec"].get("nodeName")
            and not pod_state.is_finished(pod)
            for pod in self.pods.list(obj["metadata"]["namespace"])
        )


class VolumeProtection(_Protection):
    """Holds volumes that a claim is bound to."""

    name = "pv-protection"
    account = "pv-protection-controller"
    resource = PERSISTENT_VOLUMES
    finalizer = "kubernetes.io/pv-protection"

    def in_use(self, obj: Object) -> bool:
        """Whether the volume is bound."""
        return bool((obj.get("status") or {}).get("phase") == "Bound")
