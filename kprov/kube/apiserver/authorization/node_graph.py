"""Which objects the pods of a node refer to: node <- pod <- secrets, config maps, claims, volumes, service account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kprov.kube.apiserver.authentication.objects import (
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTACHMENTS,
    Object,
    ObjectSource,
)

_Vertex = tuple[str, str, str]  # plural, namespace, name
# The one field in each kind of volume source that names a Secret of the pod's namespace.
_SECRET_SOURCES = ("azureFile", "cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos", "csi")
_SECRET_FIELDS = (
    "secretRef", "nodePublishSecretRef", "nodeStageSecretRef", "controllerPublishSecretRef",
    "controllerExpandSecretRef", "nodeExpandSecretRef",
)  # fmt: skip


def _is_mirror(pod: Object) -> bool:
    return "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {})


def _of_containers(spec: Object, namespace: str) -> Iterator[_Vertex]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            for source in container.get("envFrom") or ():
                for key, plural in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
                    if name := (source.get(key) or {}).get("name"):
                        yield (plural, namespace, name)
            for variable in container.get("env") or ():
                value = variable.get("valueFrom") or {}
                for key, plural in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
                    if name := (value.get(key) or {}).get("name"):
                        yield (plural, namespace, name)


def _of_volume(volume: Object, namespace: str, pod_name: str) -> Iterator[_Vertex]:
    if name := (volume.get("configMap") or {}).get("name"):
        yield ("configmaps", namespace, name)
    if name := (volume.get("secret") or {}).get("secretName"):
        yield ("secrets", namespace, name)
    if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
        yield ("persistentvolumeclaims", namespace, name)
    if "ephemeral" in volume:
        yield ("persistentvolumeclaims", namespace, f"{pod_name}-{volume['name']}")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if name := (source.get("configMap") or {}).get("name"):
            yield ("configmaps", namespace, name)
        if name := (source.get("secret") or {}).get("name"):
            yield ("secrets", namespace, name)
    yield from _secrets_of_source(volume, namespace)


def _secrets_of_source(holder: Object, namespace: str) -> Iterator[_Vertex]:
    for kind in _SECRET_SOURCES:
        source = holder.get(kind) or {}
        if kind == "azureFile" and source.get("secretName"):
            yield ("secrets", source.get("secretNamespace") or namespace, source["secretName"])
        for field in _SECRET_FIELDS:
            reference = source.get(field) or {}
            if name := reference.get("name"):
                yield ("secrets", reference.get("namespace") or namespace, name)


def pod_references(pod: Object) -> set[_Vertex]:
    """Everything that a pod's node must read, or make tokens for, to run it."""
    spec, namespace = pod.get("spec") or {}, pod["metadata"]["namespace"]
    found = set(_of_containers(spec, namespace))
    for volume in spec.get("volumes") or ():
        found.update(_of_volume(volume, namespace, pod["metadata"]["name"]))
    for secret in spec.get("imagePullSecrets") or ():
        if name := secret.get("name"):
            found.add(("secrets", namespace, name))
    if account := spec.get("serviceAccountName"):
        found.add(("serviceaccounts", namespace, account))
    return found


class NodeGraph:
    """Follows pods, volumes and attachments, and answers whether an object is a node's business.

    Args:
        store: the watch cache.
    """

    def __init__(self, store: ObjectSource) -> None:
        self._by_node: dict[str, Counter[_Vertex]] = {}
        self._of_pod: dict[tuple[str, str], tuple[str, set[_Vertex]]] = {}
        self._of_volume: dict[str, tuple[_Vertex, set[_Vertex]]] = {}  # volume -> its claim, what it refers to
        self._attachments: dict[str, str] = {}  # attachment -> node
        store.subscribe(PODS, self._pod_changed)
        store.subscribe(PERSISTENT_VOLUMES, self._volume_changed)
        store.subscribe(VOLUME_ATTACHMENTS, self._attachment_changed)

    def is_related(self, node: str, plural: str, namespace: str, name: str) -> bool:
        """Whether a pod of the node refers to an object, directly or through a volume."""
        if plural == "volumeattachments":
            return self._attachments.get(name) == node
        held = self._by_node.get(node)
        if not held:
            return False
        if plural == "persistentvolumes":
            volume = self._of_volume.get(name)
            return volume is not None and volume[0] in held
        vertex = (plural, namespace, name)
        return vertex in held or (plural == "secrets" and self._through_volume(held, vertex))

    def _through_volume(self, held: Counter[_Vertex], vertex: _Vertex) -> bool:
        return any(vertex in references and claim in held for claim, references in self._of_volume.values())

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        key = (metadata["namespace"], metadata["name"])
        before = self._of_pod.pop(key, None)
        node = ((new or {}).get("spec") or {}).get("nodeName") or ""
        # A mirror pod is the node's own word: what it refers to must not widen the node's rights.
        if new is not None and node and not _is_mirror(new):
            references = pod_references(new)
            self._of_pod[key] = (node, references)
            if before == (node, references):
                return
            self._by_node.setdefault(node, Counter()).update(references)
        if before:
            self._forget(*before)

    def _forget(self, node: str, references: set[_Vertex]) -> None:
        held = self._by_node[node]
        for vertex in references:
            held[vertex] -= 1
            if held[vertex] <= 0:
                del held[vertex]
        if not held:
            del self._by_node[node]

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        self._of_volume.pop(name, None)
        spec = (new or {}).get("spec") or {}
        claim = spec.get("claimRef") or {}
        if claim.get("name"):
            namespace = claim.get("namespace") or ""
            vertex = ("persistentvolumeclaims", namespace, claim["name"])
            self._of_volume[name] = (vertex, set(_secrets_of_source(spec, namespace)))

    def _attachment_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        self._attachments.pop(name, None)
        if new is not None and (node := (new.get("spec") or {}).get("nodeName")):
            self._attachments[name] = node
