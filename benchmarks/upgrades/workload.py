"""What runs in the cluster meanwhile: a Service with three pods that end as well-behaved servers do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError
from kprov.provision.kubeapi.credentials import read_kubeconfig

NAMESPACE = "upgrade-under-load"
# Asked to go, it serves on until the last machine knows, then ends: what preStop is for.
_SERVE = "mkdir -p /tmp/www; echo all is well > /tmp/www/word; exec httpd -f -p 8080 -h /tmp/www"
_READY = {"httpGet": {"path": "/word", "port": 8080}, "periodSeconds": 1}


def _objects(replicas: int) -> list[tuple[str, dict[str, Any]]]:
    labels = {"app": "web"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    pod = {
        "terminationGracePeriodSeconds": 8,
        "topologySpreadConstraints": [spread],
        "containers": [
            {
                "name": "web",
                "image": "registry.kprov.local/busybox:1",
                "command": ["sh", "-c", _SERVE],
                "readinessProbe": _READY,
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "4"]}}},
            }
        ],
    }
    return [
        (
            f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
            {
                "metadata": {"name": "web"},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            },
        ),
        (
            f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
            {"metadata": {"name": "web"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": labels}}},
        ),
        (
            f"/api/v1/namespaces/{NAMESPACE}/services",
            {
                "metadata": {"name": "web"},
                "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
            },
        ),
    ]


class Workload:
    """The Service for the time of a block; it is gone afterwards.

    Args:
        servers: where the API is.
        kubeconfig: the administrator's.
        replicas: how many pods.
    """

    def __init__(self, servers: list[str], kubeconfig: Path, replicas: int) -> None:
        self._api = ClusterApi(servers, read_kubeconfig(kubeconfig), timeout=10)
        self._replicas = replicas
        self.port = 0

    def __enter__(self) -> Workload:
        """Make it, and wait until all of its pods serve."""
        self._delete()
        self._api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": NAMESPACE}})
        for path, body in _objects(self._replicas):
            made = self._api.request("POST", path, body=body)
        self.port = made["spec"]["ports"][0]["nodePort"]
        end = time.monotonic() + 120
        while self.ready() < self._replicas:
            if time.monotonic() > end:
                raise SystemExit(f"{self.ready()} of {self._replicas} pods of the Service are ready after two minutes")
            time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self._delete()

    def ready(self) -> int:
        """How many pods serve."""
        found = self._api.request("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/web")
        return int(found.get("status", {}).get("readyReplicas") or 0)

    def _delete(self) -> None:
        path, end = f"/api/v1/namespaces/{NAMESPACE}", time.monotonic() + 180
        try:
            self._api.request("DELETE", path)
            while time.monotonic() < end:
                self._api.request("GET", path)
                time.sleep(0.5)
        except ClusterApiError as error:
            if error.code != 404:
                raise
