"""The discovery documents, of each group version and of all at once (aggregated)."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from kprov.kube.apiserver.extensions.kinds import find as is_custom
from kprov.kube.apiserver.resources import GROUPS, RESOURCES, ResourceInfo
from kprov.kube.apiserver.resources.table import on_change

Object = dict[str, Any]
_WHOLE = ("get", "patch", "update")
_STREAMING = ("create", "get")
_SUBRESOURCE_VERBS: dict[str, tuple[str, ...]] = {
    "attach": _STREAMING,
    "binding": ("create",),
    "eviction": ("create",),
    "exec": _STREAMING,
    "finalize": ("update",),
    "log": ("get",),
    "portforward": _STREAMING,
    "proxy": ("create", "delete", "get", "patch", "update"),
    "token": ("create",),
}


def _rows(group: str, version: str) -> list[ResourceInfo]:
    return sorted(
        (row for row in RESOURCES.values() if row.group == group and version in row.versions),
        key=lambda row: row.plural,
    )


def subresource_verbs(subresource: str) -> tuple[str, ...]:
    """What a subresource can be asked."""
    return _SUBRESOURCE_VERBS.get(subresource, _WHOLE)


def _subresource_kind(row: ResourceInfo, subresource: str, version: str) -> tuple[str, str, str]:
    if subresource in row.subresource_kinds:
        return row.subresource_kinds[subresource]
    if subresource == "proxy":
        return (row.group, version, f"{row.kind}ProxyOptions")
    return (row.group, version, row.kind)


def _hash(row: ResourceInfo) -> str:
    """Changes whenever the stored version does: clients only compare it."""
    import base64

    text = f"{row.storage_group}/{row.storage_version}/{row.kind}".encode()
    return base64.b64encode(hashlib.sha256(text).digest()[:8]).decode()


@cache
def resource_list(group: str, version: str) -> Object | None:
    """The APIResourceList of a group version, or None where it is not served."""
    if version not in GROUPS.get(group, ()):
        return None
    resources: list[Object] = []
    for row in _rows(group, version):
        entry: Object = {
            "name": row.plural,
            # of upstream's own kinds releases before 1.27 say none, and clients count on either
            "singularName": row.singular if is_custom(*row.key) else "",
            "namespaced": row.namespaced,
            "kind": row.kind,
            "verbs": list(row.verbs),
        }
        if row.short_names:
            entry["shortNames"] = list(row.short_names)
        if row.categories:
            entry["categories"] = list(row.categories)
        if row.storage_prefix:
            entry["storageVersionHash"] = _hash(row)
        resources.append(entry)
        for subresource in sorted(row.subresources):
            kind_group, kind_version, kind = _subresource_kind(row, subresource, version)
            part: Object = {
                "name": f"{row.plural}/{subresource}",
                "singularName": "",
                "namespaced": row.namespaced,
                "kind": kind,
                "verbs": list(subresource_verbs(subresource)),
            }
            if (kind_group, kind_version) != (group, version):
                part["group"], part["version"] = kind_group, kind_version
            resources.append(part)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def api_versions(address: str) -> Object:
    """/api."""
    return {
        "kind": "APIVersions",
        "versions": list(GROUPS[""]),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


# Clients that read these documents rather than the aggregated ones are older than 1.26 and take the preferred version,
# of which they may not know the newest.
_OLD_PREFERENCE = {"autoscaling": "v1", "batch": "v1beta1", "policy": "v1beta1", "discovery.k8s.io": "v1beta1"}


@cache
def api_group(group: str) -> Object | None:
    """The APIGroup of a group, or None where it is not served."""
    if not group or group not in GROUPS:
        return None
    ordered = sorted(GROUPS[group], key=lambda version: version != _OLD_PREFERENCE.get(group))
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in ordered]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "versions": versions,
        "preferredVersion": versions[0],
    }


@cache
def group_list() -> Object:
    """/apis."""
    groups = [{key: value for key, value in (api_group(group) or {}).items() if key not in ("kind", "apiVersion")}
              for group in GROUPS if group]  # fmt: skip
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _aggregated_resource(row: ResourceInfo, version: str) -> Object:
    entry: Object = {
        "resource": row.plural,
        "responseKind": {"group": row.group, "version": version, "kind": row.kind},
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        entry["shortNames"] = list(row.short_names)
    if row.categories:
        entry["categories"] = list(row.categories)
    if row.subresources:
        entry["subresources"] = []
        for subresource in sorted(row.subresources):
            kind_group, kind_version, kind = _subresource_kind(row, subresource, version)
            entry["subresources"].append(
                {
                    "subresource": subresource,
                    "responseKind": {"group": kind_group, "version": kind_version, "kind": kind},
                    "verbs": list(subresource_verbs(subresource)),
                }
            )
    return entry


@cache
def aggregated(prefix: str, version: str) -> Object:
    """The APIGroupDiscoveryList of /api or /apis, in a version of apidiscovery.k8s.io."""
    items = []
    for group, versions in GROUPS.items():
        if (prefix == "api") != (group == ""):
            continue
        items.append(
            {
                "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
                "versions": [
                    {
                        "version": each,
                        "resources": [_aggregated_resource(row, each) for row in _rows(group, each)],
                        "freshness": "Current",
                    }
                    for each in versions
                ],
            }
        )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


@on_change
def _forget() -> None:
    for each in (resource_list, api_group, group_list, aggregated):
        each.cache_clear()
