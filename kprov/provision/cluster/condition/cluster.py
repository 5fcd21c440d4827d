"""A cluster at a glance: machines, etcd, API servers, leaders, nodes, certificates."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kprov.provision.cluster.condition.comparison import Comparison, last_comparison
from kprov.provision.cluster.condition.machine import MachineState, look_at_machines
from kprov.provision.cluster.context import api_servers
from kprov.provision.cluster.storage.standing import EtcdState, look_at_etcd
from kprov.provision.engine import Engine
from kprov.provision.inventory import Inventory
from kprov.provision.kubeapi.client import ClusterApi, ClusterApiError
from kprov.provision.kubeapi.credentials import Credentials, KubeconfigError, read_kubeconfig
from kprov.provision.kubeapi.nodes import cordoned_for, is_cordoned, is_ready
from kprov.provision.pki.expiry import ExpiryRow
from kprov.provision.verify.certificates import read_certificates, warning_days
from kprov.provision.verify.control_plane import leader_of
from kprov.provision.verify.report import CheckFailed

_LEASES = {"scheduler": "kube-scheduler", "controller manager": "kube-controller-manager"}
_PATIENCE = 4.0


@dataclass(slots=True, kw_only=True)
class NodeState:
    """A Node, as the API has it."""

    name: str
    is_ready: bool
    reason: str = ""
    is_cordoned: bool = False
    cordoned_for: str = ""
    in_inventory: bool = True


@dataclass(slots=True, kw_only=True)
class ClusterState:
    """Everything that one look shows."""

    name: str
    taken: str
    machines: list[MachineState]
    etcd: EtcdState
    api: dict[str, str]
    """Machine -> what is wrong with its API server; "" when it is ready."""
    leaders: dict[str, str] = field(default_factory=dict)
    """Component -> who leads; "" where nobody does."""
    nodes: list[NodeState] | None = None
    """None when no API server answers."""
    certificates: list[ExpiryRow] = field(default_factory=list)
    warning_days: int = 0
    trouble: str = ""
    """Why the API could not be asked at all."""
    comparison: Comparison | None = None
    """How far the machines differ from the inventory, as far as it is known."""

    @property
    def ready_api_servers(self) -> list[str]:
        """The machines whose API server is ready."""
        return [name for name, problem in self.api.items() if not problem]

    @property
    def first_to_end(self) -> ExpiryRow | None:
        """The certificate with the fewest days left."""
        dated = [row for row in self.certificates if row.days_left is not None]
        return min(dated, key=lambda row: row.days_left or 0, default=None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        first = self.first_to_end
        return {
            "cluster": self.name,
            "taken": self.taken,
            "machines": [asdict(machine) for machine in self.machines],
            "etcd": self.etcd.as_dict(),
            "api_servers": self.api,
            "leaders": self.leaders,
            "nodes": None if self.nodes is None else [asdict(node) for node in self.nodes],
            "first_certificate_to_end": first.as_dict() if first else None,
            "drift": self.comparison.as_dict() if self.comparison else None,
        }


def look(engine: Engine, inventory: Inventory, kubeconfig: Path) -> ClusterState:
    """Look once. Machines that are not connected, and an API that does not answer, are part of what is seen."""
    hosts = list(inventory.hosts.values())
    credentials: Credentials | None = None
    trouble = ""
    try:
        credentials = read_kubeconfig(kubeconfig)
    except KubeconfigError as error:
        trouble = str(error)
    now = datetime.now(UTC)
    control_plane = inventory.group("control_plane")
    with ThreadPoolExecutor(max_workers=8) as pool:
        # The API is asked by the network, while the machines are asked over SSH.
        asked: dict[str, Any] = {}
        if credentials is not None:
            for host, server in zip(control_plane, api_servers(inventory), strict=True):
                asked[host.name] = pool.submit(_readiness, server, credentials)
            seen = pool.submit(_through_the_api, inventory, credentials)
        machines = look_at_machines(engine, hosts)
        etcd = look_at_etcd(engine, inventory.group("etcd"))
        rows = read_certificates(engine, inventory, engine.alive(hosts), now)
        api = {host.name: asked[host.name].result() if asked else trouble for host in control_plane}
        nodes, leaders = seen.result() if credentials is not None else (None, {})
    return ClusterState(
        name=inventory.cluster.cluster_name,
        taken=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        machines=machines,
        etcd=etcd,
        api=api,
        leaders=leaders,
        nodes=nodes,
        certificates=rows,
        warning_days=warning_days(inventory),
        trouble=trouble,
        comparison=last_comparison(inventory.cluster.state_directory),
    )


def _asking(servers: list[str], credentials: Credentials, ask: Callable[[ClusterApi], Any]) -> Any:
    api = ClusterApi(servers, credentials, timeout=_PATIENCE)
    try:
        return ask(api)
    finally:
        api.close()


def _readiness(server: str, credentials: Credentials) -> str:
    try:
        _asking([server], credentials, lambda api: api.request("GET", "/readyz", timeout=_PATIENCE))
    except ClusterApiError as error:
        return str(error).removeprefix("GET /readyz: ")
    return ""


def _through_the_api(inventory: Inventory, credentials: Credentials) -> tuple[list[NodeState] | None, dict[str, str]]:
    try:
        return _asking(api_servers(inventory), credentials, lambda api: (_nodes(api, inventory), _leaders(api)))  # type: ignore[no-any-return]
    except ClusterApiError:
        return None, {}


def _nodes(api: ClusterApi, inventory: Inventory) -> list[NodeState]:
    found = {node["metadata"]["name"]: node for node in api.request("GET", "/api/v1/nodes")["items"]}
    states = []
    for name in inventory.hosts:
        node = found.pop(name, None)
        if node is None:
            states.append(NodeState(name=name, is_ready=False, reason="it is not a node"))
        else:
            states.append(_node(name, node))
    return states + [_node(name, node, in_inventory=False) for name, node in sorted(found.items())]


def _node(name: str, node: dict[str, Any], *, in_inventory: bool = True) -> NodeState:
    conditions = {item["type"]: item for item in node.get("status", {}).get("conditions") or []}
    fine = is_ready(node)
    reason = "" if fine else str(conditions.get("Ready", {}).get("message") or "its kubelet has said nothing yet")
    if fine:
        pressed = [kind for kind, item in conditions.items() if kind.endswith("Pressure") and item["status"] == "True"]
        reason = ", ".join(pressed)
    return NodeState(
        name=name,
        is_ready=fine,
        reason=reason,
        is_cordoned=is_cordoned(node),
        cordoned_for=cordoned_for(node),
        in_inventory=in_inventory,
    )


def _leaders(api: ClusterApi) -> dict[str, str]:
    leaders = {}
    for component, lease in _LEASES.items():
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{lease}"
        try:
            # Upstream's identity: the machine's name, and a random part.
            leaders[component] = leader_of(api.request("GET", path), datetime.now(UTC)).partition("_")[0]
        except (CheckFailed, ClusterApiError, KeyError):
            leaders[component] = ""
    return leaders
