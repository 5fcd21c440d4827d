"""The roles of the cluster's own components, and of everyone who may ask the API server how it is."""

from kprov.kube.apiserver.bootstrap.rules import (
    READ,
    READ_UPDATE,
    Object,
    Rule,
    cluster_role,
    events_rule,
    rule,
    url_rule,
)

_HEALTH = "/livez /readyz /healthz"
_CERTIFICATES = "certificates.k8s.io"
_SIGNERS = {
    "legacy-unknown-approver": "kubernetes.io/legacy-unknown",
    "kubelet-serving-approver": "kubernetes.io/kubelet-serving",
    "kube-apiserver-client-approver": "kubernetes.io/kube-apiserver-client",
    "kube-apiserver-client-kubelet-approver": "kubernetes.io/kube-apiserver-client-kubelet",
}


def system_roles() -> list[Object]:
    """Every "system:" ClusterRole but those of single controllers."""
    return [*_visitors(), *_nodes(), *_control_plane(), *_storage(), *_certificates()]


def _visitors() -> list[Object]:
    reviews = "selfsubjectaccessreviews selfsubjectrulesreviews"
    return [
        cluster_role(
            "system:discovery",
            url_rule("get", f"{_HEALTH} /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*"),
        ),
        cluster_role("system:monitoring", url_rule("get", f"/metrics {_HEALTH} /livez/* /readyz/* /healthz/*")),
        cluster_role(
            "system:basic-user",
            rule("create", "authorization.k8s.io", reviews),
            rule("create", "authentication.k8s.io", "selfsubjectreviews"),
        ),
        cluster_role("system:public-info-viewer", url_rule("get", f"{_HEALTH} /version /version/")),
        cluster_role(
            "system:service-account-issuer-discovery",
            url_rule(
                "get",
                "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
            ),
        ),
        cluster_role("system:auth-delegator", *_delegation()),
        cluster_role(
            "system:heapster",
            rule(READ, "core", "events pods nodes namespaces"),
            rule(READ, "extensions", "deployments"),
        ),
    ]


def _delegation() -> list[Rule]:
    """To ask the API server who somebody is, and what they may do."""
    return [
        rule("create", "authentication.k8s.io", "tokenreviews"),
        rule("create", "authorization.k8s.io", "subjectaccessreviews"),
    ]


def node_rules() -> list[Rule]:
    """What the Node authorizer lets every node do; secrets, volumes and leases it narrows to those of the node."""
    return [
        rule("create", "authentication.k8s.io", "tokenreviews"),
        rule("create", "authorization.k8s.io", "subjectaccessreviews localsubjectaccessreviews"),
        rule(READ, "core", "services"),
        rule("create get list watch", "core", "nodes"),
        rule("update patch", "core", "nodes/status"),
        rule("update patch", "core", "nodes"),
        rule("create update patch", "core events.k8s.io", "events"),
        rule(READ, "core", "pods"),
        rule("create delete", "core", "pods"),
        rule("update patch", "core", "pods/status"),
        rule("create", "core", "pods/eviction"),
        rule(READ, "core", "secrets configmaps"),
        rule("get", "core", "persistentvolumeclaims persistentvolumes"),
        rule("get", "core", "endpoints"),
        rule("create get list watch", _CERTIFICATES, "certificatesigningrequests"),
        rule("get create update patch delete", "coordination.k8s.io", "leases"),
        rule("get", "storage.k8s.io", "volumeattachments"),
        rule("create", "core", "serviceaccounts/token"),
        rule("get update patch", "core", "persistentvolumeclaims/status"),
        rule("get watch list", "storage.k8s.io", "csidrivers"),
        rule("get create update patch delete", "storage.k8s.io", "csinodes"),
        rule(READ, "node.k8s.io", "runtimeclasses"),
    ]


def _nodes() -> list[Object]:
    return [
        cluster_role("system:node", *node_rules()),
        cluster_role(
            "system:node-problem-detector",
            rule("get", "core", "nodes"),
            rule("patch", "core", "nodes/status"),
            events_rule(),
        ),
        cluster_role(
            "system:kubelet-api-admin",
            rule(READ, "core", "nodes"),
            rule("proxy", "core", "nodes"),
            rule("*", "core", "nodes/proxy nodes/metrics nodes/stats nodes/log nodes/spec"),
        ),
        cluster_role(
            "system:node-bootstrapper", rule("create get list watch", _CERTIFICATES, "certificatesigningrequests")
        ),
        cluster_role(
            "system:node-proxier",
            rule("list watch", "core", "services endpoints"),
            rule(READ, "core", "nodes"),
            events_rule(),
            rule("list watch", "discovery.k8s.io", "endpointslices"),
            rule("list watch", "networking.k8s.io", "servicecidrs"),
        ),
    ]


def _leader_lock(name: str) -> list[Rule]:
    # Endpoints are what clients older than leases lock on.
    return [
        rule("create", "coordination.k8s.io", "leases"),
        rule("get update", "coordination.k8s.io", "leases", name),
        rule("create", "core", "endpoints"),
        rule("get update", "core", "endpoints", name),
    ]


def _control_plane() -> list[Object]:
    return [
        cluster_role(
            "system:kube-controller-manager",
            events_rule(),
            *_leader_lock("kube-controller-manager"),
            rule("create", "core", "secrets serviceaccounts"),
            rule("delete", "core", "secrets"),
            rule("get", "core", "namespaces secrets serviceaccounts configmaps"),
            rule("update", "core", "secrets serviceaccounts"),
            *_delegation(),
            rule("list watch", "*", "*"),
            rule("create", "core", "serviceaccounts/token"),
        ),
        cluster_role(
            "system:kube-scheduler",
            events_rule(),
            rule("create list watch", "coordination.k8s.io", "leases"),
            *_leader_lock("kube-scheduler")[1:],
            rule(READ, "core", "nodes"),
            rule("get list watch delete", "core", "pods"),
            rule("create", "core", "pods/binding bindings"),
            rule("patch update", "core", "pods/status"),
            rule(READ, "core", "services replicationcontrollers"),
            rule(READ, "apps extensions", "replicasets"),
            rule(READ, "apps", "statefulsets"),
            rule(READ, "policy", "poddisruptionbudgets"),
            rule(READ, "core", "persistentvolumeclaims persistentvolumes"),
            *_delegation(),
            rule(READ, "storage.k8s.io", "csinodes"),
            rule(READ, "core", "namespaces"),
            rule(READ, "storage.k8s.io", "csidrivers"),
            rule(READ, "storage.k8s.io", "csistoragecapacities"),
        ),
        cluster_role("system:kube-aggregator", rule(READ, "core", "services endpoints")),
        cluster_role(
            "system:kube-dns",
            rule("list watch", "core", "endpoints services"),
            rule("list watch", "discovery.k8s.io", "endpointslices"),
        ),
    ]


def _storage() -> list[Object]:
    return [
        cluster_role(
            "system:persistent-volume-provisioner",
            rule("get list watch create delete", "core", "persistentvolumes"),
            rule("get list watch update", "core", "persistentvolumeclaims"),
            rule(READ, "storage.k8s.io", "storageclasses"),
            rule("watch", "core", "events"),
            events_rule(),
        ),
        cluster_role(
            "system:volume-scheduler",
            rule(READ_UPDATE, "core", "persistentvolumes"),
            rule(READ, "storage.k8s.io", "storageclasses"),
            rule(READ_UPDATE, "core", "persistentvolumeclaims"),
        ),
    ]


def _certificates() -> list[Object]:
    prefix = "system:certificates.k8s.io:"
    requests = "certificatesigningrequests"
    roles = [
        cluster_role(f"{prefix}{requests}:{kind}", rule("create", _CERTIFICATES, f"{requests}/{kind}"))
        for kind in ("nodeclient", "selfnodeclient")
    ]
    roles += [
        cluster_role(prefix + name, rule("approve", _CERTIFICATES, "signers", signer))
        for name, signer in _SIGNERS.items()
    ]
    return roles
