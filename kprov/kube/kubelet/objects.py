"""ConfigMaps, Secrets and what else the kubelet reads by name, remembered for a little while."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import is_not_found
from kprov.kube.api.kinds import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    RUNTIME_CLASSES,
    SECRETS,
    SERVICE_ACCOUNTS,
    Resource,
)
from kprov.kube.kubelet.api_failures import API_FAILURES

Pod = dict[str, Any]

RESOURCES: dict[str, Resource] = {
    "ConfigMap": CONFIG_MAPS,
    "Secret": SECRETS,
    "PersistentVolumeClaim": PERSISTENT_VOLUME_CLAIMS,
    "PersistentVolume": PERSISTENT_VOLUMES,
    "RuntimeClass": RUNTIME_CLASSES,
}
FRESH = 1.5  # one pod's containers and volumes ask for the same object in one go
MAX_KEPT = 256


class ObjectReader:
    """Gets objects by kind, namespace and name."""

    def __init__(self, client: ApiClient) -> None:
        """Read with ``client``."""
        self._client = client
        self._known: OrderedDict[tuple[str, str, str], tuple[float, dict[str, Any] | None]] = OrderedDict()

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where there is none; raises what the API client raises."""
        key = (kind, namespace, name)
        known = self._known.get(key)
        if known and (time.monotonic() - known[0] < FRESH or (known[1] or {}).get("immutable")):
            return known[1]
        try:
            found: dict[str, Any] | None = await self._client.get(RESOURCES[kind], name, namespace or None)
        except API_FAILURES as failure:
            if not is_not_found(failure):
                raise
            found = None
        self._known[key] = (time.monotonic(), found)
        self._known.move_to_end(key)
        while len(self._known) > MAX_KEPT:
            self._known.popitem(last=False)
        return found

    async def request_token(self, pod: Pod, audience: str, seconds: int) -> tuple[str, float]:
        """A token bound to the pod, and for how many seconds it is good; raises what the API client raises."""
        meta = pod["metadata"]
        spec: dict[str, Any] = {
            "expirationSeconds": seconds,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]},
        }
        if audience:
            spec["audiences"] = [audience]
        account = pod["spec"].get("serviceAccountName") or "default"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._client.create_subresource(SERVICE_ACCOUNTS, account, meta["namespace"], "token", body)
        # Not by expirationTimestamp: this machine's time need not be the API server's.
        return answer["status"]["token"], float((answer.get("spec") or {}).get("expirationSeconds") or seconds)
