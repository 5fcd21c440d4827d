"""Lets machines join as nodes: a token that lives for an hour, made only when a machine needs it."""

from __future__ import annotations

import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import Any

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host
from kprov.provision.kubeapi.client import ClusterApiError
from kprov.provision.kubeapi.nodes import is_ready

_LIFETIME = timedelta(hours=1)
_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"
_ALPHABET = string.ascii_lowercase + string.digits
_TOKEN_MADE = "A token that is valid for an hour"  # noqa: S105 - no token at all
_ROLES = {"control_plane": "control-plane", "node": "worker"}


def bootstrap_token_secret(token_id: str, token_secret: str, now: datetime) -> dict[str, Any]:
    """The Secret that makes a bootstrap token valid for an hour (upstream's bootstrap.kubernetes.io/token)."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": f"bootstrap-token-{token_id}", "namespace": "kube-system"},
        "stringData": {
            "token-id": token_id,
            "token-secret": token_secret,
            "expiration": (now + _LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:kprov",
            "description": "made by kprov for machines that join",
        },
    }


def make_bootstrap_token(context: Context, hosts: list[Host]) -> None:
    """Make a token when a machine has no certificate yet, and hand it to the kubelet's role."""
    engine = context.engine
    with engine.phase("A token for machines that join", hosts) as phase:
        found = engine.module_all({host.name: ("stat", {"path": _CERTIFICATE}) for host in hosts})
        new = [host for host in hosts if not found[host.name].failed and not found[host.name]["stat"]["exists"]]
        if not new or engine.compares(hosts[0]):
            context.variables["bootstrap_token"] = "made-when-it-is-needed"  # noqa: S105 - no token at all
            if new:
                phase.record(hosts[0], _TOKEN_MADE, changed=True)
            return
        token_id = "".join(secrets.choice(_ALPHABET) for _ in range(6))
        token_secret = "".join(secrets.choice(_ALPHABET) for _ in range(16))
        engine.secrets.add(token_secret)
        _create(context, bootstrap_token_secret(token_id, token_secret, datetime.now(UTC)))
        context.variables["bootstrap_token"] = f"{token_id}.{token_secret}"
        phase.record(hosts[0], _TOKEN_MADE, changed=True, message=f"its id is {token_id}")


def _create(context: Context, secret: dict[str, Any]) -> None:
    """Make a Secret whose name nobody else has; one that is there was made by a request whose answer was lost."""
    wait = Wait("the API to take a token", "ready", context.engine.timeouts, context.engine.waiting, ClusterError)
    while True:
        try:
            context.api.request("POST", "/api/v1/namespaces/kube-system/secrets", body=secret)
        except ClusterApiError as error:
            if error.code == 409:
                return
            if error.code:
                raise
            wait.longer(str(error))
        else:
            return


def wait_for_nodes(context: Context, hosts: list[Host]) -> None:
    """Wait until every machine of the run is a node that is Ready.

    Raises:
        ClusterError: naming each that is not in time, and why.
    """
    engine = context.engine
    with engine.phase("Nodes become ready", hosts) as phase:
        if engine.check:
            return
        wait = Wait(
            f"{', '.join(host.name for host in hosts)} to be Ready",
            "nodes",
            engine.timeouts,
            engine.waiting,
            ClusterError,
        )
        wanted = {host.name: host for host in hosts}
        seen: set[str] = set()
        while True:
            try:
                nodes = {
                    node["metadata"]["name"]: node for node in context.api.request("GET", "/api/v1/nodes")["items"]
                }
            except ClusterApiError as error:
                nodes, trouble = {}, str(error)
            else:
                trouble = ""
            for name in sorted(wanted.keys() - seen):
                if name in nodes and is_ready(nodes[name]):
                    seen.add(name)
                    phase.record(wanted[name], "Ready", changed=False)
            if wanted.keys() <= seen:
                return
            missing = "; ".join(_why_not_ready(name, nodes.get(name)) for name in sorted(wanted.keys() - seen))
            wait.longer(f"{trouble or missing}. On that machine, see: journalctl -u kubelet -n 50")


def node_labels(host: Host) -> dict[str, str]:
    """The labels that a machine's Node must have: its roles, and what the inventory says."""
    roles = {f"node-role.kubernetes.io/{role}": "" for group, role in _ROLES.items() if group in host.groups}
    return {**roles, **(host.variables.get("node_labels") or {})}


def label_nodes(context: Context, hosts: list[Host]) -> None:
    """Give Nodes their labels: the role's is one that a kubelet may not give itself."""
    with context.engine.phase("Label the nodes", hosts) as phase:
        for host in hosts:
            labels = node_labels(host)
            if labels:
                metadata = {"name": host.name, "labels": labels}
                wanted = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
                phase.record(host, f"Labels {', '.join(labels)}", changed=context.apply(host, wanted))


def _why_not_ready(name: str, node: dict[str, Any] | None) -> str:
    if node is None:
        return f"{name} has not registered"
    for condition in node.get("status", {}).get("conditions") or []:
        if condition["type"] == "Ready":
            return f"{name}: {condition.get('reason')}: {condition.get('message')}"
    return f"{name} has not reported its state"
