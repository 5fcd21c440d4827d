"""Versions that upstream has given up: still served, and whoever asks for one is told what to use."""

from __future__ import annotations

from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.resources.info import ResourceInfo

# group/version -> deprecated in, gone in, and the version to use; with plural for what concerns one kind alone
_DEPRECATED: dict[str, tuple[str, str, str]] = {
    "apiextensions.k8s.io/v1beta1": ("1.16", "1.22", "apiextensions.k8s.io/v1"),
    "authentication.k8s.io/v1beta1": ("1.19", "1.22", "authentication.k8s.io/v1"),
    "authorization.k8s.io/v1beta1": ("1.19", "1.22", "authorization.k8s.io/v1"),
    "certificates.k8s.io/v1beta1": ("1.19", "1.22", "certificates.k8s.io/v1"),
    "extensions/v1beta1": ("1.14", "1.22", "networking.k8s.io/v1"),
    "networking.k8s.io/v1beta1": ("1.19", "1.22", "networking.k8s.io/v1"),
    "rbac.authorization.k8s.io/v1beta1": ("1.17", "1.22", "rbac.authorization.k8s.io/v1"),
}


def warning(info: ResourceInfo, version: str) -> str | None:
    """What a client that asks for a kind in a version is told, or None."""
    custom = kinds.find(*info.key)
    if custom is not None:
        return custom.deprecated.get(version)
    if info.key == ("", "componentstatuses"):
        return "v1 ComponentStatus is deprecated in v1.19+"
    found = _DEPRECATED.get(f"{info.group}/{version}")
    if found is None:
        return None
    since, until, instead = found
    told = f"{info.group}/{version} {info.kind} is deprecated in v{since}+, unavailable in v{until}+"
    return f"{told}; use {instead} {info.kind}"
