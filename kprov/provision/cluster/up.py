"""From bare machines to a cluster: the phases, in order."""

from __future__ import annotations

from kprov.provision.cluster.artifacts import import_images, install_packages, install_release
from kprov.provision.cluster.certificates import issue_certificates
from kprov.provision.cluster.etcd import form_etcd
from kprov.provision.cluster.joining import label_nodes, make_bootstrap_token, wait_for_nodes
from kprov.provision.cluster.manifests import apply_cluster_objects
from kprov.provision.cluster.phase import Phase
from kprov.provision.cluster.restarts import restart_stale_services

UP: tuple[Phase, ...] = (
    Phase("Prepare the machines", "all", role="machine"),
    Phase("Install packages", "all", procedure=install_packages),
    Phase("Install the daemons", "all", procedure=install_release),
    Phase("Issue certificates", "all", procedure=issue_certificates),
    Phase("Configure etcd", "etcd", role="etcd", serial=1, essential=True),
    Phase("Form the etcd cluster", "etcd", procedure=form_etcd, essential=True),
    Phase("Start the API servers", "control_plane", role="kube-apiserver", essential=True),
    Phase("Start the load balancers", "all", role="haproxy"),
    Phase("Share the API's virtual address", "control_plane", role="keepalived"),
    Phase("Start the schedulers", "control_plane", role="kube-scheduler"),
    Phase("Start the controller managers", "control_plane", role="kube-controller-manager"),
    Phase("Make the cluster's own objects", "control_plane", procedure=apply_cluster_objects),
    Phase("Start containerd", "all", role="containerd"),
    Phase("Import images", "all", procedure=import_images),
    Phase("Make a token to join with", "all", procedure=make_bootstrap_token),
    Phase("Start the kubelets", "all", role="kubelet"),
    Phase("Start the Service proxies", "all", role="kube-proxy"),
    Phase("Start pod network and DNS", "all", role="kprov-node"),
    Phase("Restart what is stale", "all", procedure=restart_stale_services),
    Phase("Wait for the nodes", "all", procedure=wait_for_nodes),
    Phase("Label the nodes", "all", procedure=label_nodes),
)

ROLES: tuple[str, ...] = tuple(phase.role for phase in UP if phase.role)
