"""How often leaders were elected: of etcd, the scheduler and the controller manager."""

from __future__ import annotations

import json

from kprov.provision.verify.etcdctl import ETCDCTL
from kprov.provision.verify.session import Session

LEASES = {
    component: f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{component}"
    for component in ("kube-scheduler", "kube-controller-manager")
}


def terms(session: Session) -> dict[str, int]:
    """By component: a number that grows with each election. One that can't be told now is left out."""
    found: dict[str, int] = {}
    for host in session.alive("etcd"):
        done = session.engine.shell(host.name, [*ETCDCTL, "endpoint", "status", "--write-out=json"])
        if done.rc == 0 and done.stdout.strip():
            found["etcd"] = max(found.get("etcd", 0), int(json.loads(done.stdout)[0]["Status"]["raftTerm"]))
    for component, path in LEASES.items():
        found[component] = int(session.api.request("GET", path)["spec"].get("leaseTransitions") or 0)
    return found


def renewals(session: Session) -> dict[str, str]:
    """By component: when its leader last said that it leads."""
    return {
        component: str(session.api.request("GET", path)["spec"].get("renewTime")) for component, path in LEASES.items()
    }
