"""Which version each built-in kind has in etcd, and how it gets there and back."""

from __future__ import annotations

import orjson

from kprov.kube.apiserver import versions
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.storage.encoding import encode
from kprov.kube.apiserver.storage.stored_versions import Object, StoredVersion

# Kinds whose newest version upstream 1.20 does not know: what it keeps them as, and what every server since then reads.
_WRITTEN = {
    ("autoscaling", "horizontalpodautoscalers"): "v1",
    ("batch", "cronjobs"): "v1beta1",
    ("discovery.k8s.io", "endpointslices"): "v1beta1",
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): "v1beta1",
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): "v1beta1",
    ("policy", "poddisruptionbudgets"): "v1beta1",
}


def stored_kinds() -> dict[str, StoredVersion]:
    """By storage prefix, for every kind of a named group: those of the core group never had another version."""
    found = {
        info.storage_prefix: _stored(info)
        for info in RESOURCES.values()
        if info.group and info.storage_prefix and info.storage_group == info.group
    }
    for plural in ("persistentvolumeclaims", "persistentvolumes"):
        found[plural] = _PendingFirst("v1", "v1", lambda obj, _: obj, lambda obj, _: obj)
    return found


class _PendingFirst(StoredVersion):
    """Volumes and claims: upstream stores a new one without a phase, and sets the phase as it reads."""

    def read(self, value: bytes) -> bytes:
        if b'"phase":"' in value or not value:
            return value
        obj = orjson.loads(value)
        return encode({**obj, "status": {**(obj.get("status") or {}), "phase": "Pending"}})


def _stored(info: ResourceInfo) -> StoredVersion:
    written = _WRITTEN.get(info.key)

    def up(obj: Object, api_version: str) -> Object:
        return versions.to_storage(info, api_version.rpartition("/")[2], obj)

    def down(obj: Object, api_version: str) -> Object:
        return versions.from_storage(info, api_version.rpartition("/")[2], obj)

    present = info.storage_api_version
    return StoredVersion(present, info.api_version(written) if written else present, up, down)
