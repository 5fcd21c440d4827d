"""Whether the cluster as a whole is well enough to lose something."""

from __future__ import annotations

from kprov.provision.kubeapi.nodes import is_ready
from kprov.provision.verify.control_plane import etcd_health
from kprov.provision.verify.report import CheckFailed
from kprov.provision.verify.session import Session


def sick(session: Session) -> str:
    """What is not healthy now; "" when the cluster can take a loss."""
    for host in session.inventory.group("control_plane"):
        api = session.api_of(session.server(host))
        try:
            api.request("GET", "/readyz", timeout=2)
        except Exception as error:
            return f"the API server of {host.name}: {error}"
        finally:
            api.close()
    alive = session.alive("etcd")
    if not alive:
        return "no machine of etcd is connected"
    try:
        etcd_health(session, alive[0])
    except CheckFailed as error:
        return f"etcd: {error}"
    nodes = session.api.request("GET", "/api/v1/nodes")["items"]
    waiting = [node["metadata"]["name"] for node in nodes if not is_ready(node)]
    return f"not ready: {', '.join(waiting)}" if waiting else ""
