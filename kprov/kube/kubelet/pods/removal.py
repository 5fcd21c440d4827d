"""The last word on a pod: its object leaves the API."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import is_conflict, is_not_found
from kprov.kube.api.kinds import PODS
from kprov.kube.kubelet.api_failures import API_FAILURES


async def remove_from_api(client: ApiClient, pod: dict[str, Any]) -> None:
    """Delete a pod that has ended, if it is still the same one; raises what the API client raises."""
    meta = pod["metadata"]
    try:
        await client.delete(PODS, meta["name"], meta["namespace"], grace_period_seconds=0, uid=meta["uid"])
    except API_FAILURES as failure:
        if not is_not_found(failure) and not is_conflict(failure):
            raise
