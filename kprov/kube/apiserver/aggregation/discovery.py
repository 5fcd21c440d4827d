"""Discovery of this server's groups and of other servers' together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kprov.kube.apiserver.aggregation import priorities
from kprov.kube.apiserver.aggregation.api_service import Remote
from kprov.kube.apiserver.discovery import documents
from kprov.kube.apiserver.extensions.kinds import version_rank
from kprov.kube.apiserver.resources import GROUPS

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of another server: who it is, and the APIResourceList that it gave last, if any."""

    remote: Remote
    resources: tuple[Object, ...] | None


class MergedDocuments:
    """The documents of discovery/documents.py, with other servers' groups and versions in their places.

    Args:
        known: gives what is known of the others now.
    """

    def __init__(self, known: Callable[[], Iterable[Known]]) -> None:
        self._known = known

    api_versions = staticmethod(documents.api_versions)
    resource_list = staticmethod(documents.resource_list)

    def _remotes(self, group: str | None = None) -> list[Known]:
        found = [each for each in self._known() if group is None or each.remote.group == group]
        return sorted(found, key=lambda each: (-each.remote.version_priority, version_rank(each.remote.version)))

    def api_group(self, group: str) -> Object | None:
        """The APIGroup of a group, or None where nobody serves it."""
        local = documents.api_group(group)
        versions = self._versions(group, [each["version"] for each in local["versions"]] if local else [])
        if not group or not versions:
            return local
        told = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        head = {"kind": "APIGroup", "apiVersion": "v1", "name": group}
        return {**head, "versions": told, "preferredVersion": told[0]}

    def _versions(self, group: str, local: list[str]) -> list[str]:
        """A group's versions: this server's in their order, the others where their priorities place them."""
        merged = list(local)
        for each in self._remotes(group):
            version, priority = each.remote.version, each.remote.version_priority
            if version not in merged:
                later = (
                    at
                    for at, present in enumerate(merged)
                    if present in local and priorities.version_priority(group, present) < priority
                )
                merged.insert(next(later, len(merged)), version)
        return merged

    def _groups(self) -> list[str]:
        """Every group: this server's in their order, the others where their priorities place them."""
        merged = list(GROUPS)
        highest: dict[str, int] = {}
        for each in self._remotes():
            group = each.remote.group
            if group not in GROUPS:
                highest[group] = max(highest.get(group, 0), each.remote.group_priority)
        for group, priority in sorted(highest.items(), key=lambda item: (-item[1], item[0])):
            position = len(merged)
            while position > 2 and self._priority(merged[position - 1], highest) < priority:
                position -= 1
            merged.insert(position, group)
        return merged

    @staticmethod
    def _priority(group: str, others: dict[str, int]) -> int:
        return others[group] if group in others else priorities.group_priority(group)

    def group_list(self) -> Object:
        """/apis."""
        if not self._remotes():
            return documents.group_list()
        found = [self.api_group(group) or {} for group in self._groups() if group]
        told = [{key: value for key, value in each.items() if key not in ("kind", "apiVersion")} for each in found]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": told}

    def aggregated(self, prefix: str, version: str) -> Object:
        """The APIGroupDiscoveryList of /api or /apis."""
        local = documents.aggregated(prefix, version)
        remotes = self._remotes()
        if prefix == "api" or not remotes:
            return local
        items = {item["metadata"]["name"]: item for item in local["items"]}
        for group in {each.remote.group for each in remotes}:
            given = {each["version"]: each for each in items.get(group, {}).get("versions", ())}
            names = self._versions(group, list(given))
            for each in self._remotes(group):
                given[each.remote.version] = _version(each)
            metadata = {"name": group, "creationTimestamp": None}
            items[group] = {"metadata": metadata, "versions": [given[name] for name in names]}
        return {**local, "items": [items[group] for group in self._groups() if group in items]}


def _version(known: Known) -> Object:
    """A group's version in the aggregated form, from the resources that its server lists."""
    remote, found = known.remote, []
    by_name: dict[str, Object] = {}
    for each in known.resources or ():
        name, _, subresource = str(each.get("name") or "").partition("/")
        kind = {"group": each.get("group") or remote.group, "version": each.get("version") or remote.version,
                "kind": each.get("kind") or ""}  # fmt: skip
        if not subresource:
            by_name[name] = {
                "resource": name,
                "responseKind": kind,
                "scope": "Namespaced" if each.get("namespaced") else "Cluster",
                "singularResource": each.get("singularName") or "",
                "verbs": each.get("verbs") or [],
                **{word: each[word] for word in ("shortNames", "categories") if each.get(word)},
            }
            found.append(by_name[name])
        elif name in by_name:
            told = {"subresource": subresource, "responseKind": kind, "verbs": each.get("verbs") or []}
            by_name[name].setdefault("subresources", []).append(told)
    fresh = remote.available and known.resources is not None
    return {"version": remote.version, "resources": found, "freshness": "Current" if fresh else "Stale"}
