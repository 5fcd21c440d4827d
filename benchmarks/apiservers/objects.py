"""What is stored and asked for: pods as controllers make them, of about 1.5 KB."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apiservers.servers import Server

NAMESPACE = "bench"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def pod(name: str, stamp: str = "") -> dict[str, Any]:
    """A pod; no account's token is mounted, so that no controller is needed."""
    container = {
        "name": "web",
        "image": "registry.example/web:1.2.3",
        "args": ["--listen=:8080", "--log-level=info"],
        "env": [{"name": f"SETTING_{number}", "value": f"value-{number}"} for number in range(6)],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app": "web", "tier": "front", "stamp": stamp or "none"},
            "annotations": {"example.org/why": "a benchmark", "example.org/checksum": "0123456789abcdef" * 4},
        },
        "spec": {"automountServiceAccountToken": False, "containers": [container]},
    }


def prepare(server: Server) -> None:
    """The namespace, and the account that pods in it have."""
    connection = server.connect()
    server.ask(connection, "POST", "/api/v1/namespaces", _named("Namespace", NAMESPACE))
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    server.ask(connection, "POST", path, _named("ServiceAccount", "default"))


def _named(kind: str, name: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}})


def make_pods(server: Server, first: int, end: int, workers: int = 8) -> None:
    """Create the pods pod-FIRST to pod-END, the last one excluded."""

    def some(offset: int) -> None:
        connection = server.connect()
        for number in range(first + offset, end, workers):
            server.ask(connection, "POST", PODS, json.dumps(pod(f"pod-{number}")))
        connection.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(some, range(workers)))


def changed(server: Server, name: str, stamp: str) -> str:
    """The body of an update: a pod as it is, with another name and another stamp; whatever its revision."""
    found = json.loads(server.ask(server.connect(), "GET", f"{PODS}/pod-0"))
    kept = {key: value for key, value in found["metadata"].items() if key in ("namespace", "annotations")}
    found["metadata"] = {**kept, "name": name, "labels": {**found["metadata"]["labels"], "stamp": stamp}}
    return json.dumps(found)


def names(server: Server, prefix: str) -> list[str]:
    """The names of pods that begin so."""
    items = json.loads(server.ask(server.connect(), "GET", f"{PODS}?resourceVersion=0"))["items"]
    return [item["metadata"]["name"] for item in items if item["metadata"]["name"].startswith(prefix)]


def revision(server: Server) -> str:
    """The resourceVersion of now."""
    answer = json.loads(server.ask(server.connect(), "GET", f"{PODS}?limit=1"))
    return str(answer["metadata"]["resourceVersion"])
