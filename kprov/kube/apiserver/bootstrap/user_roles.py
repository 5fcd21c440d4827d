"""The roles that people are given: cluster-admin, admin, edit and view.

The last three are aggregated: whoever adds a kind to the cluster labels a ClusterRole, and its rules become part of
them. The labels chain, so that what a viewer may do an editor may, and what an editor may do an admin may.
"""

from typing import Any

from kprov.kube.apiserver.bootstrap.rules import READ, READ_WRITE, WRITE, Object, Rule, cluster_role, rule, url_rule

_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def user_roles() -> list[Object]:
    """cluster-admin, the three aggregated roles and the parts that they start with.

    The aggregated roles carry their rules already, so that they are worth something before any controller has run.
    """
    view, edit, admin = _view_rules(), _edit_rules(), _admin_rules()
    return [
        cluster_role("cluster-admin", rule("*", "*", "*"), url_rule("*", "*")),
        _aggregated("admin", [*admin, *edit, *view], part_of=""),
        _aggregated("edit", [*edit, *view], part_of="admin"),
        _aggregated("view", view, part_of="edit"),
        _part("admin", admin),
        _part("edit", edit),
        _part("view", view),
    ]


def _aggregated(name: str, rules: list[Rule], *, part_of: str) -> Object:
    labels = {_AGGREGATE + part_of: "true"} if part_of else None
    made = cluster_role(name, *rules, labels=labels)
    selector: dict[str, Any] = {"matchLabels": {_AGGREGATE + name: "true"}}
    made["aggregationRule"] = {"clusterRoleSelectors": [selector]}
    return made


def _part(name: str, rules: list[Rule]) -> Object:
    return cluster_role(f"system:aggregate-to-{name}", *rules, labels={_AGGREGATE + name: "true"})


def _admin_rules() -> list[Rule]:
    return [
        rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
        rule(READ_WRITE, "rbac.authorization.k8s.io", "roles rolebindings"),
    ]


def _edit_rules() -> list[Rule]:
    workloads = "deployments deployments/scale deployments/rollback replicasets replicasets/scale daemonsets"
    return [
        rule(READ, "core", "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy"),
        rule("impersonate", "core", "serviceaccounts"),
        rule("create", "core", "serviceaccounts/token"),
        rule(WRITE, "core", "pods pods/attach pods/proxy pods/exec pods/portforward"),
        rule("create", "core", "pods/eviction"),
        rule(
            WRITE,
            "core",
            "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy "
            "persistentvolumeclaims configmaps secrets events",
        ),
        rule(WRITE, "apps", f"{workloads} statefulsets statefulsets/scale"),
        rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
        rule(WRITE, "batch", "jobs cronjobs"),
        rule(WRITE, "extensions", f"{workloads} ingresses replicationcontrollers/scale networkpolicies"),
        rule(WRITE, "policy", "poddisruptionbudgets"),
        rule(WRITE, "networking.k8s.io", "networkpolicies ingresses"),
        rule(READ_WRITE, "coordination.k8s.io", "leases"),
    ]


def _view_rules() -> list[Rule]:
    workloads = (
        "daemonsets daemonsets/status deployments deployments/scale deployments/status "
        "replicasets replicasets/scale replicasets/status"
    )
    return [
        rule(
            READ,
            "core",
            "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status "
            "endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps",
        ),
        rule(
            READ,
            "core",
            "limitranges resourcequotas bindings events pods/status resourcequotas/status namespaces/status "
            "replicationcontrollers/status pods/log",
        ),
        # Inside a namespace this covers that namespace alone: it is how a viewer sees where they are.
        rule(READ, "core", "namespaces"),
        rule(READ, "discovery.k8s.io", "endpointslices"),
        rule(READ, "apps", f"controllerrevisions {workloads} statefulsets statefulsets/status statefulsets/scale"),
        rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
        rule(READ, "batch", "jobs jobs/status cronjobs cronjobs/status"),
        rule(
            READ, "extensions", f"{workloads} ingresses ingresses/status replicationcontrollers/scale networkpolicies"
        ),
        rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
        rule(READ, "networking.k8s.io", "networkpolicies ingresses ingresses/status"),
    ]
