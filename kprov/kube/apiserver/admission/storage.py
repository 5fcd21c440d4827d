"""Volumes and claims: a class by default, no deletion while in use, growth only where the class allows it."""

from __future__ import annotations

from kprov.kube.api.quantity import QuantityError, parse
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, Surroundings, forbid

_CLASSES = ("storage.k8s.io", "storageclasses")
_VOLUMES, _CLAIMS = ("", "persistentvolumes"), ("", "persistentvolumeclaims")
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_FINALIZERS = {_VOLUMES: "kubernetes.io/pv-protection", _CLAIMS: "kubernetes.io/pvc-protection"}


class _ClassPlugin(Plugin):
    resources = frozenset((_CLAIMS,))
    caches = (_CLASSES,)

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self.classes: dict[str, Object] = {}
        around.store.subscribe(_CLASSES, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self.classes.pop((old or {})["metadata"]["name"], None)
        else:
            self.classes[new["metadata"]["name"]] = new


def class_of(claim: Object) -> str | None:
    """The class that a claim asks for: empty for "none", None where it does not say."""
    annotated = (claim["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
    if annotated is not None:
        return str(annotated)
    named = (claim.get("spec") or {}).get("storageClassName")
    return None if named is None else str(named)


class DefaultStorageClass(_ClassPlugin):
    """A claim that names no class gets the default one."""

    name = "DefaultStorageClass"
    operations = frozenset(("CREATE",))

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Name it: of several, the newest."""
        claim = attrs.obj or {}
        if class_of(claim) is not None:
            return
        defaults = [
            each
            for each in self.classes.values()
            if any((each["metadata"].get("annotations") or {}).get(key) == "true" for key in _DEFAULT)
        ]
        if defaults:
            newest = max(defaults, key=lambda each: each["metadata"].get("creationTimestamp") or "")
            claim["spec"]["storageClassName"] = newest["metadata"]["name"]


class PersistentVolumeClaimResize(_ClassPlugin):
    """A claim grows only where its class says that volumes can."""

    name = "PersistentVolumeClaimResize"
    operations = frozenset(("UPDATE",))

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Compare the sizes."""
        new, old = attrs.obj or {}, attrs.old_obj or {}
        try:
            grows = parse(_size(new)) > parse(_size(old))
        except QuantityError:
            return
        if not grows:
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise forbid(attrs, "Only bound persistent volume claims can be expanded")
        name = class_of(new)
        if not name or name != class_of(old) or not self.classes.get(name, {}).get("allowVolumeExpansion"):
            message = (
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
                "must support "
                "resize"
            )
            raise forbid(attrs, message)


def _size(claim: Object) -> str:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return str(requests.get("storage") or "0")


class StorageObjectInUseProtection(Plugin):
    """Volumes and claims are held by a finalizer, which a controller takes away when nothing uses them."""

    name = "StorageObjectInUseProtection"
    resources = frozenset(_FINALIZERS)
    operations = frozenset(("CREATE",))

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Add the finalizer."""
        metadata = (attrs.obj or {})["metadata"]
        finalizer = _FINALIZERS[attrs.resource_info.key]
        present = metadata.get("finalizers") or []
        if finalizer not in present:
            metadata["finalizers"] = [*present, finalizer]
