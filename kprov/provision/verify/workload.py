"""Real work for the cluster: a pod on every node, a Service reached from every machine, its name from a pod."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kprov.provision.kubeapi.client import ClusterApiError
from kprov.provision.verify.report import CheckFailed
from kprov.provision.verify.session import Session
from kprov.provision.verify.standstill import why_not_running

IMAGE = "registry.kprov.local/busybox:1"
NAME = "hello"
_LABELS = {"app": NAME}
_PREFIX = "kprov-verify-"
_AGAIN = "asking again"


def _container(script: str, **more: Any) -> dict[str, Any]:
    return {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
        **more,
    }


def daemon_set() -> dict[str, Any]:
    """A small web server on every node, control-plane machines too, which answers with its node's name."""
    server = _container(
        "mkdir -p /tmp/www && echo hello from $NODE > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www",
        ports=[{"containerPort": 8080}],
        env=[{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    )
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": _LABELS},
            "template": {
                "metadata": {"labels": _LABELS},
                "spec": {
                    "containers": [server],
                    "tolerations": [{"operator": "Exists"}],
                    "terminationGracePeriodSeconds": 0,
                },
            },
        },
    }


def service() -> dict[str, Any]:
    """The web servers as a Service with a node port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"type": "NodePort", "selector": _LABELS, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def asking_pod(domain: str, namespace: str) -> dict[str, Any]:
    """A pod that succeeds when it reaches the Service by each of its names.

    As any client it asks again where it was refused, twice; it says so, and how often is one of the check's figures.
    """
    names = f"{NAME} {NAME}.{namespace} {NAME}.{namespace}.svc.{domain}"
    # Debian 12's wget of busybox dies of its own -T.
    ask = "timeout 8 wget -q -O - http://$name/"
    again = f"{{ echo {_AGAIN}; sleep 1; {ask}; }}"
    script = f"for name in {names}; do {ask} || {again} || {again} || exit 1; done"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "asking"},
        "spec": {"restartPolicy": "Never", "containers": [_container(script)], "terminationGracePeriodSeconds": 0},
    }


@contextmanager
def namespace(session: Session) -> Iterator[str]:
    """A namespace for the time of the checks."""
    name = f"{_PREFIX}{secrets.token_hex(3)}"
    session.api.request(
        "POST", "/api/v1/namespaces", body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    try:
        yield name
    finally:
        try:
            session.api.request("DELETE", f"/api/v1/namespaces/{name}")
        except ClusterApiError as error:
            session.tell(f"the namespace {name} could not be deleted: {error}")


def remove_leftovers(session: Session) -> None:
    """Delete the namespaces of checks that were killed. Raises: ClusterApiError."""
    for item in session.api.request("GET", "/api/v1/namespaces")["items"]:
        name = item["metadata"]["name"]
        if name.startswith(_PREFIX) and not item["metadata"].get("deletionTimestamp"):
            session.api.request("DELETE", f"/api/v1/namespaces/{name}")


def default_account(session: Session, space: str) -> str:
    """What is missing until pods can be made in a namespace; "" when nothing is."""
    try:
        session.api.request("GET", f"/api/v1/namespaces/{space}/serviceaccounts/default")
    except ClusterApiError as error:
        return str(error)
    return ""


def pods_missing(session: Session, space: str) -> str:
    """Where no web server is ready; "" when one is on every node."""
    pods = session.api.request("GET", f"/api/v1/namespaces/{space}/pods", params={"labelSelector": f"app={NAME}"})
    ready, states = set(), []
    for pod in pods["items"]:
        conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions") or []}
        if conditions.get("Ready") == "True":
            ready.add(pod["spec"].get("nodeName"))
        else:
            states.append(why_not_running(session.api, pod))
    missing = sorted(set(session.inventory.hosts) - ready)
    return f"no pod ready on {', '.join(missing)} ({'; '.join(states) or 'no pods'})" if missing else ""


def fetch(session: Session, machine: str, url: str) -> str:
    """What is missing until a machine reaches a URL: "" when it answers."""
    script = f"import urllib.request as u;print(u.urlopen('{url}',timeout=3).read().decode())"
    done = session.engine.shell(machine, ["python3", "-c", script])
    if done.rc == 0 and "hello from" in done.stdout:
        return ""
    return f"{machine} does not reach {url}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}"


def verify_workload(session: Session) -> None:
    """Run the work, check it from everywhere, and take it away again."""
    report, api = session.report, session.api
    machines = [host.name for host in session.engine.alive(session.inventory.hosts.values())]
    with namespace(session) as space:
        base = f"/api/v1/namespaces/{space}"
        with report.check("workload", "A pod runs on every node") as result:
            session.wait(lambda: default_account(session, space), "workload")
            api.request("POST", f"/apis/apps/v1/namespaces/{space}/daemonsets", body=daemon_set())
            made = api.request("POST", f"{base}/services", body=service())
            result.figures["seconds"] = round(session.wait(lambda: pods_missing(session, space), "workload"), 2)
        if not result.passed:
            return
        cluster_ip, node_port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
        for machine in machines:
            with report.check("workload", f"The Service is reached from {machine}"):
                session.wait(lambda m=machine: fetch(session, m, f"http://{cluster_ip}/"), "service")  # type: ignore[misc]
        with report.check("workload", "The node port of every machine is reached"):
            for machine in machines:
                address = session.inventory.hosts[machine].node_address
                url = f"http://{address}:{node_port}/"
                session.wait(lambda u=url: fetch(session, machines[0], u), "service")  # type: ignore[misc]
        with report.check("workload", "A pod reaches the Service by its names") as result:
            domain = session.inventory.cluster.dns_domain
            api.request("POST", f"{base}/pods", body=asking_pod(domain, space))
            session.wait(lambda: _not_succeeded(session, base), "workload")
            result.figures["asked_again"] = str(api.request("GET", f"{base}/pods/asking/log")).count(_AGAIN)


def _not_succeeded(session: Session, base: str) -> str:
    pod = session.api.request("GET", f"{base}/pods/asking")
    phase = pod["status"].get("phase")
    if phase == "Failed":
        output = session.api.request("GET", f"{base}/pods/asking/log")
        raise CheckFailed(f"the pod could not reach it: {str(output).strip()[-300:]}")
    return "" if phase == "Succeeded" else f"the pod {why_not_running(session.api, pod)}"
