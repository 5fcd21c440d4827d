"""One ClusterRole a controller, bound to the service account of that name in kube-system."""

from kprov.kube.apiserver.bootstrap.rules import READ, Object, Rule, cluster_binding, cluster_role, events_rule, rule

_PREFIX = "system:controller:"
_MANAGE = "get list watch create update patch delete"


def controller_roles() -> list[Object]:
    """Every "system:controller:" ClusterRole."""
    return [cluster_role(_PREFIX + name, *rules) for name, rules in _table().items()]


def controller_bindings() -> list[Object]:
    """The binding of each of them to its service account."""
    return [cluster_binding(_PREFIX + name, accounts=f"kube-system/{name}") for name in _table()]


def _table() -> dict[str, list[Rule]]:
    return {**_workloads(), **_networking(), **_nodes(), **_storage(), **_housekeeping()}


def _workloads() -> dict[str, list[Rule]]:
    return {
        "cronjob-controller": [
            rule("get list watch update", "batch", "cronjobs"),
            rule(_MANAGE, "batch", "jobs"),
            rule("update", "batch", "cronjobs/status"),
            rule("update", "batch", "cronjobs/finalizers"),
            rule("list delete", "core", "pods"),
            events_rule(),
        ],
        "daemon-set-controller": [
            rule(READ, "extensions apps", "daemonsets"),
            rule("update", "extensions apps", "daemonsets/status"),
            rule("update", "extensions apps", "daemonsets/finalizers"),
            rule("list watch", "core", "nodes"),
            rule("list watch create delete patch", "core", "pods"),
            rule("create", "core", "pods/binding"),
            rule(_MANAGE, "apps", "controllerrevisions"),
            events_rule(),
        ],
        "deployment-controller": [
            rule("get list watch update", "extensions apps", "deployments"),
            rule("update", "extensions apps", "deployments/status"),
            rule("update", "extensions apps", "deployments/finalizers"),
            rule(_MANAGE, "apps extensions", "replicasets"),
            rule("get list watch update", "core", "pods"),
            events_rule(),
        ],
        "horizontal-pod-autoscaler": [
            rule(READ, "autoscaling", "horizontalpodautoscalers"),
            rule("update", "autoscaling", "horizontalpodautoscalers/status"),
            rule("get update", "*", "*/scale"),
            rule("list", "core", "pods"),
            rule("get", "core", "services/proxy", "https:heapster: http:heapster:"),
            rule("list", "metrics.k8s.io", "pods"),
            rule("get list", "custom.metrics.k8s.io external.metrics.k8s.io", "*"),
            events_rule(),
        ],
        "job-controller": [
            rule("get list watch update patch", "batch", "jobs"),
            rule("update", "batch", "jobs/status"),
            rule("update", "batch", "jobs/finalizers"),
            rule("list watch create delete patch", "core", "pods"),
            events_rule(),
        ],
        "replicaset-controller": [
            rule("get list watch update", "apps extensions", "replicasets"),
            rule("update", "apps extensions", "replicasets/status"),
            rule("update", "apps extensions", "replicasets/finalizers"),
            rule("list watch patch create delete", "core", "pods"),
            events_rule(),
        ],
        "replication-controller": [
            rule("get list watch update", "core", "replicationcontrollers"),
            rule("update", "core", "replicationcontrollers/status"),
            rule("update", "core", "replicationcontrollers/finalizers"),
            rule("list watch patch create delete", "core", "pods"),
            events_rule(),
        ],
        "statefulset-controller": [
            rule("list watch", "core", "pods"),
            rule(READ, "apps", "statefulsets"),
            rule("update", "apps", "statefulsets/status"),
            rule("update", "apps", "statefulsets/finalizers"),
            rule("get create delete update patch", "core", "pods"),
            rule(_MANAGE, "apps", "controllerrevisions"),
            rule("get create delete update patch list watch", "core", "persistentvolumeclaims"),
            events_rule(),
        ],
        "disruption-controller": [
            rule(READ, "extensions apps", "deployments"),
            rule(READ, "apps extensions", "replicasets"),
            rule(READ, "core", "replicationcontrollers"),
            rule(READ, "policy", "poddisruptionbudgets"),
            rule(READ, "apps", "statefulsets"),
            rule("patch update", "core", "pods/status"),
            rule("update", "policy", "poddisruptionbudgets/status"),
            rule("get", "*", "*/scale"),
            events_rule(),
        ],
        "ttl-after-finished-controller": [rule("get list watch delete", "batch", "jobs"), events_rule()],
    }


def _networking() -> dict[str, list[Rule]]:
    slices = rule("get list create update delete", "discovery.k8s.io", "endpointslices")
    # An object that another one owns with blockOwnerDeletion needs leave to touch the owner's finalizers.
    own_services = rule("update", "core", "services/finalizers")
    return {
        "endpoint-controller": [
            rule(READ, "core", "services pods"),
            rule("get list create update delete", "core", "endpoints"),
            rule("create", "core", "endpoints/restricted"),
            events_rule(),
        ],
        "endpointslice-controller": [
            rule(READ, "core", "services pods nodes"),
            own_services,
            slices,
            rule("create", "discovery.k8s.io", "endpointslices/restricted"),
            events_rule(),
        ],
        "endpointslicemirroring-controller": [
            rule(READ, "core", "services endpoints"),
            own_services,
            rule("update", "core", "endpoints/finalizers"),
            slices,
            rule("create", "discovery.k8s.io", "endpointslices/restricted"),
            events_rule(),
        ],
        "route-controller": [
            rule("list watch", "core", "nodes"),
            rule("patch", "core", "nodes/status"),
            events_rule(),
        ],
        "service-controller": [
            rule(READ, "core", "services"),
            rule("patch update", "core", "services/status"),
            rule("list watch", "core", "nodes"),
            events_rule(),
        ],
    }


def _nodes() -> dict[str, list[Rule]]:
    return {
        "node-controller": [
            rule("get list update delete patch", "core", "nodes"),
            rule("patch update", "core", "nodes/status"),
            rule("patch update", "core", "pods/status"),
            rule("get list delete", "core", "pods"),
            events_rule(),
        ],
        "pod-garbage-collector": [
            rule("list watch delete", "core", "pods"),
            rule("get list", "core", "nodes"),
            rule("patch", "core", "pods/status"),
        ],
        "ttl-controller": [rule("update patch list watch", "core", "nodes"), events_rule()],
        "certificate-controller": [
            rule("get list watch delete", "certificates.k8s.io", "certificatesigningrequests"),
            rule(
                "update",
                "certificates.k8s.io",
                "certificatesigningrequests/status certificatesigningrequests/approval",
            ),
            # Upstream approves only the first; kprov's controller also approves the serving certificate of a node, when
            # every name and address in it is the Node's own.
            rule(
                "approve",
                "certificates.k8s.io",
                "signers",
                "kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
            ),
            rule(
                "sign",
                "certificates.k8s.io",
                "signers",
                "kubernetes.io/legacy-unknown kubernetes.io/kube-apiserver-client "
                "kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
            ),
            rule("create", "authorization.k8s.io", "subjectaccessreviews"),
            events_rule(),
        ],
    }


def _storage() -> dict[str, list[Rule]]:
    return {
        "attachdetach-controller": [
            rule("list watch", "core", "persistentvolumes persistentvolumeclaims"),
            rule(READ, "core", "nodes"),
            rule("patch update", "core", "nodes/status"),
            rule("list watch", "core", "pods"),
            events_rule(),
            rule("get create delete list watch", "storage.k8s.io", "volumeattachments"),
            rule("get watch list", "storage.k8s.io", "csidrivers"),
            rule("get watch list", "storage.k8s.io", "csinodes"),
        ],
        "expand-controller": [
            rule("get list watch update patch", "core", "persistentvolumes"),
            rule("update patch", "core", "persistentvolumeclaims/status"),
            rule(READ, "core", "persistentvolumeclaims"),
            rule(READ, "storage.k8s.io", "storageclasses"),
            rule("get", "core", "services endpoints"),
            rule("get", "core", "secrets"),
            events_rule(),
        ],
        "ephemeral-volume-controller": [
            rule(READ, "core", "pods"),
            rule("update", "core", "pods/finalizers"),
            rule("get list watch create", "core", "persistentvolumeclaims"),
            events_rule(),
        ],
        "persistent-volume-binder": [
            rule("get list watch update create delete", "core", "persistentvolumes"),
            rule("update", "core", "persistentvolumes/status"),
            rule("get list watch update", "core", "persistentvolumeclaims"),
            rule("update", "core", "persistentvolumeclaims/status"),
            rule("list watch get create delete", "core", "pods"),
            rule(READ, "storage.k8s.io", "storageclasses"),
            rule("get create update delete", "core", "endpoints"),
            rule("get create delete", "core", "services"),
            rule("get", "core", "secrets"),
            rule("get list", "core", "nodes"),
            rule("watch", "core", "events"),
            events_rule(),
        ],
        "pvc-protection-controller": [
            rule("get list watch update", "core", "persistentvolumeclaims"),
            rule("list watch get", "core", "pods"),
            events_rule(),
        ],
        "pv-protection-controller": [rule("get list watch update", "core", "persistentvolumes"), events_rule()],
    }


def _housekeeping() -> dict[str, list[Rule]]:
    return {
        "clusterrole-aggregation-controller": [
            rule("escalate get list watch update patch", "rbac.authorization.k8s.io", "clusterroles")
        ],
        "generic-garbage-collector": [rule("get list watch patch update delete", "*", "*"), events_rule()],
        "namespace-controller": [
            rule("get list watch delete", "core", "namespaces"),
            rule("update", "core", "namespaces/finalize namespaces/status"),
            rule("get list delete deletecollection", "*", "*"),
        ],
        "resourcequota-controller": [
            rule("list watch", "*", "*"),
            rule("update", "core", "resourcequotas/status"),
            events_rule(),
        ],
        "service-account-controller": [rule("create", "core", "serviceaccounts"), events_rule()],
        "root-ca-cert-publisher": [rule("create update", "core", "configmaps"), events_rule()],
        "legacy-service-account-token-cleaner": [
            rule("get", "core", "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
            rule("patch delete", "core", "secrets"),
        ],
        "validatingadmissionpolicy-status-controller": [
            rule(READ, "admissionregistration.k8s.io", "validatingadmissionpolicies"),
            rule("get patch update", "admissionregistration.k8s.io", "validatingadmissionpolicies/status"),
            events_rule(),
        ],
    }
