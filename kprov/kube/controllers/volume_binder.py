"""Claims and volumes that were made by hand are brought together. kprov provisions none."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import quantity, selectors
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from kprov.kube.controllers.controller import Context, Controller

Object = dict[str, Any]
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"


def size(obj: Object, claim: bool) -> Any:
    """The storage that a claim asks for, or that a volume has."""
    spec = obj["spec"]
    amounts = (spec.get("resources") or {}).get("requests") or {} if claim else spec.get("capacity") or {}
    return quantity.parse(amounts.get("storage", "0"))


def fits(volume: Object, claim: Object) -> bool:
    """Whether a free volume satisfies a claim."""
    vs, cs = volume["spec"], claim["spec"]
    reference = vs.get("claimRef")
    if reference and (reference.get("namespace"), reference.get("name")) != (
        claim["metadata"]["namespace"],
        claim["metadata"]["name"],
    ):
        return False
    if reference and reference.get("uid") and reference["uid"] != claim["metadata"]["uid"]:
        return False
    if (vs.get("storageClassName") or "") != (cs.get("storageClassName") or ""):
        return False
    if vs.get("volumeMode", "Filesystem") != cs.get("volumeMode", "Filesystem"):
        return False
    if not set(cs.get("accessModes") or ()) <= set(vs.get("accessModes") or ()):
        return False
    if cs.get("selector") and not selectors.matches(
        selectors.from_label_selector(cs["selector"]), volume["metadata"].get("labels") or {}
    ):
        return False
    return bool(size(volume, False) >= size(claim, True)) and not volume["metadata"].get("deletionTimestamp")


class VolumeBinder(Controller):
    """Binds each claim to the smallest volume that fits."""

    name = "persistentvolume-binder"
    account = "persistent-volume-binder"
    component = "persistentvolume-controller"
    workers = 1  # two claims must not choose the same volume

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.claims = self.watch_keys(PERSISTENT_VOLUME_CLAIMS)
        self.volumes = self.watch(
            PERSISTENT_VOLUMES,
            on_add=self._volume_changed,
            on_update=lambda _, new: self._volume_changed(new),
            on_delete=self._volume_changed,
        )

    def _volume_changed(self, volume: Object) -> None:
        self.queue.add("/" + volume["metadata"]["name"])
        for claim in self.claims.list():
            if (claim.get("status") or {}).get("phase") != "Bound" or claim["spec"].get("volumeName") == volume[
                "metadata"
            ]["name"]:
                self.enqueue(claim)

    async def reconcile(self, key: str) -> None:
        """Bind one claim, or bring one volume's phase up to date (keys that begin with a slash)."""
        if key.startswith("/"):
            await self._volume(key[1:])
            return
        claim = self.claims.get(key)
        if claim is None or claim["metadata"].get("deletionTimestamp"):
            return
        name = claim["spec"].get("volumeName")
        if not name:
            free = [v for v in self.volumes.list() if not self._is_taken(v, claim) and fits(v, claim)]
            if not free:
                await self._phase(PERSISTENT_VOLUME_CLAIMS, claim, "Pending")
                return
            reserved = [v for v in free if v["spec"].get("claimRef")]
            smallest = min(reserved or free, key=lambda v: (size(v, False), key_of(v)))
            name = smallest["metadata"]["name"]
        volume = self.volumes.get(name)
        if volume is None:
            phase = "Lost" if (claim["metadata"].get("annotations") or {}).get(BIND_COMPLETED) else "Pending"
            await self._phase(PERSISTENT_VOLUME_CLAIMS, claim, phase)
            return
        if self._is_taken(volume, claim):
            await self._phase(PERSISTENT_VOLUME_CLAIMS, claim, "Pending")
            return
        volume = await self._claim_volume(volume, claim)
        annotations = {**(claim["metadata"].get("annotations") or {}), BIND_COMPLETED: "yes"}
        if claim["spec"].get("volumeName") != name:
            annotations[BOUND_BY_CONTROLLER] = "yes"
        if claim["spec"].get("volumeName") != name or annotations != claim["metadata"].get("annotations"):
            metadata = {**claim["metadata"], "annotations": annotations}
            spec = {**claim["spec"], "volumeName": name}
            claim = await self.client.update(PERSISTENT_VOLUME_CLAIMS, {**claim, "metadata": metadata, "spec": spec})
        bound = {
            "phase": "Bound",
            "accessModes": volume["spec"].get("accessModes") or [],
            "capacity": volume["spec"].get("capacity") or {},
        }
        if {**(claim.get("status") or {}), **bound} != claim.get("status"):
            status = {**(claim.get("status") or {}), **bound}
            await self.client.update(PERSISTENT_VOLUME_CLAIMS, {**claim, "status": status}, subresource="status")

    @staticmethod
    def _is_taken(volume: Object, claim: Object) -> bool:
        uid = (volume["spec"].get("claimRef") or {}).get("uid")
        return bool(uid) and uid != claim["metadata"]["uid"]

    async def _claim_volume(self, volume: Object, claim: Object) -> Object:
        metadata = claim["metadata"]
        if (volume["spec"].get("claimRef") or {}).get("uid") != metadata["uid"]:
            reference = {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            }
            annotations = dict(volume["metadata"].get("annotations") or {})
            if not volume["spec"].get("claimRef"):
                annotations[BOUND_BY_CONTROLLER] = "yes"
            volume = await self.client.update(
                PERSISTENT_VOLUMES,
                {
                    **volume,
                    "metadata": {**volume["metadata"], "annotations": annotations},
                    "spec": {**volume["spec"], "claimRef": reference},
                },
            )
        return await self._phase(PERSISTENT_VOLUMES, volume, "Bound")

    async def _volume(self, name: str) -> None:
        volume = self.volumes.get(name)
        if volume is None or volume["metadata"].get("deletionTimestamp"):
            return
        reference = volume["spec"].get("claimRef") or {}
        if not reference.get("uid"):
            await self._phase(PERSISTENT_VOLUMES, volume, "Available")
            return
        claim = self.claims.get(f"{reference['namespace']}/{reference['name']}")
        if claim is None or claim["metadata"]["uid"] != reference["uid"]:
            await self._phase(PERSISTENT_VOLUMES, volume, "Released")
            if volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
                self.recorder.event(
                    volume, "Warning", "VolumeFailedDelete", "kprov deletes no volumes: do it by hand, or use Retain"
                )

    async def _phase(self, resource: Any, obj: Object, phase: str) -> Object:
        if (obj.get("status") or {}).get("phase") == phase:
            return obj
        status = {**(obj.get("status") or {}), "phase": phase}
        updated: Object = await self.client.update(resource, {**obj, "status": status}, subresource="status")
        return updated
