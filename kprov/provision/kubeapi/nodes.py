"""What a Node says of itself, and whether new pods may come to it."""

from __future__ import annotations

from typing import Any

from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError

CORDONED_FOR = "kprov.io/cordoned-for"
"""The annotation of a Node that kprov gives no new pods while it works on its machine: which work it is.

One that a person has cordoned has none, and stays cordoned when the work is done.
"""


def is_ready(node: dict[str, Any]) -> bool:
    """Whether a Node's condition Ready is True."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def find_node(api: ClusterApi, name: str) -> dict[str, Any] | None:
    """A Node; None where there is none of that name. Raises ClusterApiError."""
    return api.find({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})


def is_cordoned(node: dict[str, Any]) -> bool:
    """Whether it takes no new pods."""
    return bool(node["spec"].get("unschedulable"))


def cordoned_for(node: dict[str, Any]) -> str:
    """The work of kprov's for which it takes no new pods; "" where it is not kprov's doing."""
    return str((node["metadata"].get("annotations") or {}).get(CORDONED_FOR) or "")


def cordon(api: ClusterApi, name: str, work: str = "") -> None:
    """Let no new pods come to a node.

    Args: ``work`` is noted at it, so that the end of that work undoes it, and only it.

    Raises: ClusterApiError.
    """
    _patch(api, name, unschedulable=True, note=work or None)


def uncordon(api: ClusterApi, name: str) -> None:
    """Let new pods come to a node again. Raises ClusterApiError."""
    _patch(api, name, unschedulable=None, note=None)


def _patch(api: ClusterApi, name: str, *, unschedulable: bool | None, note: str | None) -> None:
    body = {"metadata": {"annotations": {CORDONED_FOR: note}}, "spec": {"unschedulable": unschedulable}}
    api.request("PATCH", f"/api/v1/nodes/{name}", body=body, content_type="application/merge-patch+json")


def delete_node(api: ClusterApi, name: str) -> bool:
    """Delete a Node. Returns: whether there was one. Raises ClusterApiError."""
    try:
        api.request("DELETE", f"/api/v1/nodes/{name}")
    except ClusterApiError as error:
        if error.code == 404:
            return False
        raise
    return True
