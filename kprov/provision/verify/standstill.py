"""Why a pod does not run yet, in the words of whoever has to do the next step: scheduler, kubelet, runtime."""

from __future__ import annotations

from typing import Any

from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError

# What a kubelet says while nothing is known to be wrong: events may know more.
_UNTOLD = ("", "ContainerCreating", "PodInitializing")
_LONGEST = 300


def why_not_running(api: ClusterApi, pod: dict[str, Any]) -> str:
    """What a pod waits for.

    Args:
        api: asked for the pod's events, where its status does not say.
        pod: as the API gives it.

    Returns: for a person, with the pod's name and, where it has one, its node.
    """
    name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
    status = pod.get("status") or {}
    if not node:
        return f"{name} has no node: {_unscheduled(status)}"
    said = _of_containers(status) or _last_warning(api, pod)
    return f"{name} on {node} is {status.get('phase') or 'Pending'}" + (f": {said}" if said else "")


def _unscheduled(status: dict[str, Any]) -> str:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _short(condition.get("message") or condition.get("reason") or "the scheduler does not say why")
    return "no scheduler has looked at it yet"


def _of_containers(status: dict[str, Any]) -> str:
    """What the kubelet says of the first container that does not run, or that runs and is not ready."""
    for each in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = each.get("state") or {}
        for kind in ("waiting", "terminated"):
            told = state.get(kind) or {}
            if told.get("reason") not in (None, *_UNTOLD, "Completed"):
                words = [told["reason"], str(told.get("message") or "")]
                return _short(f"container {each.get('name')}: {': '.join(word for word in words if word)}")
    for each in status.get("containerStatuses") or []:
        if "running" in (each.get("state") or {}) and not each.get("ready"):
            return f"container {each.get('name')} runs and is not ready"
    return ""


def _last_warning(api: ClusterApi, pod: dict[str, Any]) -> str:
    """The newest warning among the pod's events; "" when there is none, or when the API does not say."""
    space, uid = pod["metadata"].get("namespace", "default"), pod["metadata"].get("uid", "")
    chosen = f"involvedObject.uid={uid},type=Warning"
    try:
        found = api.request("GET", f"/api/v1/namespaces/{space}/events", params={"fieldSelector": chosen})["items"]
    except ClusterApiError:
        return ""
    found.sort(key=lambda event: str(event.get("lastTimestamp") or event["metadata"].get("creationTimestamp") or ""))
    return _short(f"{found[-1].get('reason')}: {found[-1].get('message')}") if found else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
