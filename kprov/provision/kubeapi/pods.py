"""Pods of a node: which may be moved away, in the terms of ``kubectl drain``, and how one is asked to go."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError

_MIRROR = "kubernetes.io/config.mirror"
_PAGE = "500"


class Fate(StrEnum):
    """What becomes of a pod when its node is drained."""

    GOES = "goes"
    STAYS = "stays"
    REFUSED = "refused"
    """It would be lost, and nobody has said that it may be."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What may be lost: the options of ``kubectl drain``.

    Attributes:
        force: pods that no controller makes anew.
        delete_emptydir_data: what pods keep in emptyDir volumes.
    """

    force: bool = False
    delete_emptydir_data: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A pod and what becomes of it; ``why`` is for people, and names the option where one is missing."""

    pod: dict[str, Any]
    fate: Fate
    why: str = ""

    @property
    def name(self) -> str:
        """``NAMESPACE/NAME``."""
        return name_of(self.pod)


def name_of(pod: dict[str, Any]) -> str:
    """``NAMESPACE/NAME``."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def judge(pod: dict[str, Any], guards: Guards) -> Judged:
    """What a drain does with a pod (upstream: kubectl/pkg/drain/filters.go).

    Pods of DaemonSets and those of static manifests stay, since they would come right back. What has ended goes.
    """
    metadata = pod["metadata"]
    owner = next((each for each in metadata.get("ownerReferences") or [] if each.get("controller")), None)
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if _MIRROR in (metadata.get("annotations") or {}):
        return Judged(pod, Fate.STAYS, "it is of a static manifest")
    if owner is not None and owner.get("kind") == "DaemonSet":
        return Judged(pod, Fate.STAYS, f"it is of the DaemonSet {owner.get('name')}")
    if ended:
        return Judged(pod, Fate.GOES)
    if owner is None and not guards.force:
        return Judged(pod, Fate.REFUSED, "no controller would make it anew: --force deletes it")
    volumes = (pod.get("spec") or {}).get("volumes") or []
    if any("emptyDir" in volume for volume in volumes) and not guards.delete_emptydir_data:
        return Judged(pod, Fate.REFUSED, "it has an emptyDir volume: --delete-emptydir-data deletes what is in it")
    return Judged(pod, Fate.GOES)


def pods_on(api: ClusterApi, node: str) -> list[dict[str, Any]]:
    """Every pod that is bound to a node. Raises ClusterApiError."""
    found: list[dict[str, Any]] = []
    params = {"fieldSelector": f"spec.nodeName={node}", "limit": _PAGE}
    while True:
        page = api.request("GET", "/api/v1/pods", params=params)
        found += page["items"]
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            return found
        params = {**params, "continue": token}


def evict(api: ClusterApi, pod: dict[str, Any], grace_period: int | None = None) -> str:
    """Ask a pod to go, as far as its PodDisruptionBudget lets it.

    Args: ``grace_period`` in seconds; None: the pod's own.

    Returns: "" when it goes or is gone; else why it must stay for now.

    Raises: ClusterApiError when it can't be asked at all.
    """
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": _options(pod, grace_period),
    }
    try:
        api.request("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body=body)
    except ClusterApiError as error:
        # More than one budget is a 500; in a namespace that is being deleted, it goes as soon as that comes to it:
        # kubectl asks again, too.
        if error.code == 429 or error.code >= 500 or (error.code == 403 and "being terminated" in str(error)):
            return str(error).partition(": ")[2] or str(error)
        if not _is_another(error):
            raise
    return ""


def delete(api: ClusterApi, pod: dict[str, Any], grace_period: int | None = None) -> None:
    """Delete a pod, whatever its budget says. Raises ClusterApiError."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    try:
        api.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body=_options(pod, grace_period))
    except ClusterApiError as error:
        if not _is_another(error):
            raise


def _options(pod: dict[str, Any], grace_period: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": pod["metadata"]["uid"]},
    }
    return options if grace_period is None else options | {"gracePeriodSeconds": grace_period}


def _is_another(error: ClusterApiError) -> bool:
    """Whether the pod is gone: there is none of its name, or one that is another."""
    return error.code in (404, 409)
