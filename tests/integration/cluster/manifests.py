"""Objects that acceptance tests ask a cluster for, as a user would write them."""

from __future__ import annotations

from typing import Any

from acceptance_cluster import IMAGE

Object = dict[str, Any]
# As a user would, so that a rolling update loses nothing: the server answers until Services have forgotten it.
WEB_SERVER = "trap 'kill $!; exit 0' TERM; echo starting; httpd -f -v -h /var/www -p 80 & wait $!"


def container(command: str = "sleep 1000 & wait", *, tag: str = "1", **more: Any) -> Object:
    """A busybox that runs a shell command."""
    shell = f"trap 'exit 0' TERM; {command}" if "trap" not in command else command
    return {"name": "main", "image": f"{IMAGE}:{tag}", "command": ["sh", "-c", shell], **more}


def pod(name: str, main: Object, *, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A pod with one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 3, "containers": [main], **spec},
    }


def web_container(tag: str = "1") -> Object:
    """A small web server, ready when it answers, that goes on answering while it is taken out of Services."""
    return container(
        WEB_SERVER,
        tag=tag,
        ports=[{"name": "http", "containerPort": 80}],
        readinessProbe={"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        lifecycle={"preStop": {"exec": {"command": ["sleep", "3"]}}},
        resources={"requests": {"cpu": "10m", "memory": "8Mi"}},
    )


def workload(kind: str, name: str, main: Object, *, pod_spec: Object | None = None, **spec: Any) -> Object:
    """A Deployment, DaemonSet or StatefulSet whose pods have the label app=NAME."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 8, "containers": [main], **(pod_spec or {})},
            },
            **spec,
        },
    }


def web_deployment(name: str = "web", replicas: int = 6, **pod_spec: Any) -> Object:
    """The web server, several times, at most one of them missing at any time."""
    return workload(
        "Deployment",
        name,
        web_container(),
        pod_spec=pod_spec,
        replicas=replicas,
        strategy={"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 2}},
    )


def service(name: str, *, kind: str = "ClusterIP", port: int = 80, app: str | None = None, **spec: Any) -> Object:
    """A Service for the pods with the label app=NAME."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": kind,
            "selector": {"app": app or name},
            "ports": [{"port": port, "targetPort": 80, "protocol": "TCP"}],
            **spec,
        },
    }


def config_map(name: str, **data: str) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
