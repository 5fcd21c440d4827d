"""etcd, each API server, scheduler and controller manager, and the nodes, as they say of themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from kprov.provision.inventory import Host
from kprov.provision.verify.etcdctl import ETCDCTL
from kprov.provision.verify.report import CheckFailed
from kprov.provision.verify.session import Session

_LEASES = {
    "scheduler": ("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"),
    "controller manager": ("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager"),
}
_HEALTH = {"scheduler": 10259, "controller manager": 10257}


def etcd_health(session: Session, through: Host) -> None:
    """Every member of etcd is healthy, and every machine of the group is a voting member.

    Raises:
        CheckFailed: naming the members that are not.
    """
    done = session.engine.shell(through.name, [*ETCDCTL, "endpoint", "health", "--cluster", "--write-out=json"])
    if done.rc != 0 and not done.stdout.strip():
        raise CheckFailed(done.stderr.strip()[-400:])
    answers = json.loads(done.stdout.splitlines()[0])
    sick = [f"{entry['endpoint']}: {entry.get('error', 'not healthy')}" for entry in answers if not entry["health"]]
    if sick:
        raise CheckFailed("; ".join(sick))
    wanted = {f"https://{host.node_address}:2379" for host in session.inventory.group("etcd")}
    missing = wanted - {entry["endpoint"] for entry in answers}
    if missing:
        raise CheckFailed(f"not members: {', '.join(sorted(missing))}")


def _ready(session: Session, server: str) -> None:
    api = session.api_of(server)
    try:
        answer = api.request("GET", "/readyz", params={"verbose": ""}, timeout=5)
        version = api.request("GET", "/version", timeout=5)["gitVersion"]
    finally:
        api.close()
    if "[-]" in answer or not version:
        raise CheckFailed(answer)


def _component_answers(session: Session, host: Host, port: int) -> None:
    script = (
        "import ssl,urllib.request as u;c=ssl.create_default_context(cafile='/etc/kubernetes/pki/ca.crt');"
        f"print(u.urlopen('https://localhost:{port}/healthz',context=c,timeout=5).read().decode())"
    )
    done = session.engine.shell(host.name, ["python3", "-c", script])
    if done.rc != 0 or "ok" not in done.stdout:
        raise CheckFailed(f"https://127.0.0.1:{port}/healthz: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


def leader_of(lease: dict[str, Any], now: datetime) -> str:
    """Who holds a Lease now.

    Raises:
        CheckFailed: nobody does, or has not renewed it in time.
    """
    spec = lease["spec"]
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        raise CheckFailed("nobody leads")
    renewed = datetime.fromisoformat(spec["renewTime"].replace("Z", "+00:00"))
    if now - renewed > timedelta(seconds=spec["leaseDurationSeconds"] + 2):
        raise CheckFailed(f"{spec['holderIdentity']} leads no more: last renewed at {spec['renewTime']}")
    return str(spec["holderIdentity"])


def verify_control_plane(session: Session) -> None:
    """Check etcd as a whole, and on each control-plane machine its three daemons."""
    report = session.report
    members = session.alive("etcd")
    for host in members[:1]:
        with report.check("etcd", "All members are healthy"):
            etcd_health(session, host)
    for host in session.inventory.group("control_plane"):
        with report.check("control plane", f"The API server of {host.name} is ready"):
            _ready(session, session.server(host))
    cluster = session.inventory.cluster
    if cluster.api_virtual_address:
        with report.check("control plane", f"The API answers at its virtual address {cluster.api_virtual_address}"):
            _ready(session, f"https://{cluster.api_virtual_address}:{cluster.api_server_port}")
    for host in session.alive("control_plane"):
        for component, port in _HEALTH.items():
            with report.check("control plane", f"The {component} of {host.name} is healthy"):
                _component_answers(session, host, port)
    for component, path in _LEASES.items():
        with report.check("control plane", f"One {component} leads") as result:
            result.figures["leader"] = leader_of(session.api.request("GET", path), datetime.now(UTC))


def verify_nodes(session: Session) -> None:
    """Every machine of the inventory is a node that is ready and has a pod network of its own."""
    with session.report.check("nodes", "Every machine is a ready node with a pod network"):
        nodes = {node["metadata"]["name"]: node for node in session.api.request("GET", "/api/v1/nodes")["items"]}
        wrong = []
        networks: dict[str, str] = {}
        for name in session.inventory.hosts:
            node = nodes.get(name)
            if node is None:
                wrong.append(f"{name} is not a node")
                continue
            conditions = {item["type"]: item for item in node.get("status", {}).get("conditions") or []}
            ready = conditions.get("Ready", {})
            if ready.get("status") != "True":
                wrong.append(f"{name} is not ready: {ready.get('message', 'it has not said why')}")
            network = node["spec"].get("podCIDR")
            if not network:
                wrong.append(f"{name} has no pod network")
            elif network in networks:
                wrong.append(f"{name} and {networks[network]} have the same pod network {network}")
            else:
                networks[network] = name
        if wrong:
            raise CheckFailed("; ".join(wrong))
