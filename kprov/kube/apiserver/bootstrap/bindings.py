"""Who is given the cluster-wide system roles."""

from kprov.kube.apiserver.bootstrap.rules import Object, cluster_binding


def system_bindings() -> list[Object]:
    """The ClusterRoleBindings of the default policy but those of controllers."""
    return [
        cluster_binding("cluster-admin", groups="system:masters"),
        cluster_binding("system:monitoring", groups="system:monitoring"),
        cluster_binding("system:discovery", groups="system:authenticated"),
        cluster_binding("system:basic-user", groups="system:authenticated"),
        cluster_binding("system:public-info-viewer", groups="system:authenticated system:unauthenticated"),
        cluster_binding("system:node-proxier", users="system:kube-proxy"),
        cluster_binding("system:kube-controller-manager", users="system:kube-controller-manager"),
        cluster_binding("system:kube-dns", accounts="kube-system/kube-dns"),
        cluster_binding("system:kube-scheduler", users="system:kube-scheduler"),
        cluster_binding("system:volume-scheduler", users="system:kube-scheduler"),
        # Nodes get their rights from the Node authorizer; the binding stays so that nobody else makes one.
        cluster_binding("system:node"),
        cluster_binding("system:service-account-issuer-discovery", groups="system:serviceaccounts"),
    ]
