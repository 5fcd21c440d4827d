"""The operations of a kind: which paths it has, what may be asked there, and what kind comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kprov.kube.apiserver.resources.info import ResourceInfo

_LIST_PARAMETERS = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_DELETE_PARAMETERS = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_BOOLEANS = {"allowWatchBookmarks", "force", "orphanDependents", "sendInitialEvents", "watch"}
_NUMBERS = {"gracePeriodSeconds", "limit", "timeoutSeconds"}


DESCRIPTIONS = {
    "allowWatchBookmarks": "Whether the watch may say now and then how far it is.",
    "continue": "Where the list before ended, as its metadata.continue said.",
    "dryRun": "All: do everything but keep the result.",
    "fieldManager": "Who makes this change; its fields are recorded under this name.",
    "fieldSelector": "Restricts the list of returned objects to those whose fields are so.",
    "fieldValidation": "What to do about unknown fields: Ignore, Warn or Strict.",
    "force": "Take over the fields that others manage.",
    "gracePeriodSeconds": "How long the object may take to end.",
    "labelSelector": "Restricts the list of returned objects to those whose labels are so.",
    "limit": "At most so many objects; the rest is asked for with continue.",
    "orphanDependents": "Whether what the object owns stays; propagationPolicy took its place.",
    "propagationPolicy": "What becomes of what the object owns: Orphan, Background or Foreground.",
    "resourceVersion": "The state that is asked for, or that a watch begins after.",
    "resourceVersionMatch": "Whether resourceVersion is meant exactly, or as the oldest that will do.",
    "sendInitialEvents": "Whether a watch begins with everything that is there.",
    "timeoutSeconds": "How long the call may last.",
    "watch": "Watch for changes to the described resources: a stream of what is added, changed and deleted.",
}
"""Of the query's parameters."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. ``body`` and ``answer`` say whether an object goes in, and what comes out."""

    path: str
    method: str
    action: str
    kind: tuple[str, str, str]
    body: bool = False
    lists: bool = False
    parameters: tuple[str, ...] = ()

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """The names in braces."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


def type_of(parameter: str) -> str:
    """The type of a query parameter."""
    return "boolean" if parameter in _BOOLEANS else "integer" if parameter in _NUMBERS else "string"


def operations(info: ResourceInfo, version: str) -> Iterator[Operation]:
    """All operations of a kind in one version."""
    base = f"/apis/{info.group}/{version}" if info.group else f"/api/{version}"
    kind = (info.group, version, info.kind)
    scope = f"{base}/namespaces/{{namespace}}/{info.plural}" if info.namespaced else f"{base}/{info.plural}"
    verbs = set(info.verbs)
    if "list" in verbs:
        if info.namespaced:
            yield Operation(f"{base}/{info.plural}", "get", "list", kind, lists=True, parameters=_LIST_PARAMETERS)
        yield Operation(scope, "get", "list", kind, lists=True, parameters=_LIST_PARAMETERS)
    if "create" in verbs:
        yield Operation(scope, "post", "post", kind, body=True, parameters=_WRITE_PARAMETERS)
    if "deletecollection" in verbs:
        parameters = (*_LIST_PARAMETERS, *_DELETE_PARAMETERS)
        yield Operation(scope, "delete", "deletecollection", kind, parameters=parameters)
    item = f"{scope}/{{name}}"
    if "get" in verbs:
        yield Operation(item, "get", "get", kind)
    if "update" in verbs:
        yield Operation(item, "put", "put", kind, body=True, parameters=_WRITE_PARAMETERS)
    if "patch" in verbs:
        yield Operation(item, "patch", "patch", kind, parameters=(*_WRITE_PARAMETERS, "force"))
    if "delete" in verbs:
        yield Operation(item, "delete", "delete", kind, parameters=_DELETE_PARAMETERS)
    for name in info.subresources:
        other = info.subresource_kinds.get(name)
        if name not in ("status", "scale") and other is None:
            continue
        below = other or kind
        path = f"{item}/{name}"
        if name in ("status", "scale"):
            yield Operation(path, "get", "get", below)
            yield Operation(path, "put", "put", below, body=True, parameters=_WRITE_PARAMETERS)
            yield Operation(path, "patch", "patch", below, parameters=(*_WRITE_PARAMETERS, "force"))
        else:
            yield Operation(path, "post", "post", below, body=True, parameters=_WRITE_PARAMETERS)
