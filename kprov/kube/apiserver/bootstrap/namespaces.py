"""The namespaces and priority classes that are always there."""

from kprov.kube.apiserver.bootstrap.rules import Object

NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")

_CRITICAL = {
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
}


def namespaces() -> list[Object]:
    """The system's namespaces and the one that people start in."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
        for name in NAMESPACES
    ]


def priority_classes() -> list[Object]:
    """The priorities of what the cluster cannot do without."""
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name, "generation": 1},
            "value": value,
            "description": description,
            "preemptionPolicy": "PreemptLowerPriority",
        }
        for name, (value, description) in _CRITICAL.items()
    ]


def authentication_config(
    client_ca: str = "", request_header_ca: str = "", request_header: dict[str, str] | None = None
) -> Object:
    """The ConfigMap from which extension API servers learn whom this one trusts.

    Args:
        client_ca: PEM content of --client-ca-file.
        request_header_ca: PEM content of --requestheader-client-ca-file.
        request_header: further keys ("requestheader-allowed-names", ...), each a JSON list.
    """
    data: dict[str, str] = {}
    if client_ca:
        data["client-ca-file"] = client_ca
    if request_header_ca:
        data["requestheader-client-ca-file"] = request_header_ca
        data.update(request_header or {})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
        "data": data,
    }
