"""The places of groups and versions among all others, as upstream gives them to what it serves itself."""

from __future__ import annotations

_GROUPS = {
    "": 18000, "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700, "authorization.k8s.io": 17600,
    "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300, "networking.k8s.io": 17200,
    "extensions": 17150, "policy": 17100, "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700, "admissionregistration.k8s.io": 16700, "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500, "node.k8s.io": 16300, "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
}  # fmt: skip
_VERSIONS = {
    ("", "v1"): 1, ("extensions", "v1beta1"): 1, ("events.k8s.io", "v1beta1"): 5, ("autoscaling", "v2"): 30,
    ("discovery.k8s.io", "v1beta1"): 12,
}  # fmt: skip
_BY_STAGE = {"v1": 15, "v1beta1": 9}
_CUSTOM_GROUP, _CUSTOM_VERSION = 1000, 100


def group_priority(group: str) -> int:
    """spec.groupPriorityMinimum of a group that this server serves."""
    return _GROUPS.get(group, _CUSTOM_GROUP)


def version_priority(group: str, version: str) -> int:
    """spec.versionPriority of one of its versions."""
    if group not in _GROUPS:
        return _CUSTOM_VERSION
    return _VERSIONS.get((group, version)) or _BY_STAGE.get(version, 1)


def is_built_in(group: str) -> bool:
    """Whether a group is one of upstream's own."""
    return group in _GROUPS
