"""From bare machines to a cluster: the phases, in order."""

from __future__ import annotations

from kprov.provision.cluster.artifacts import CURRENT, import_images, install_packages
from kprov.provision.cluster.canary import etcd_answers
from kprov.provision.cluster.certificates import issue_certificates
from kprov.provision.cluster.coming_anew import api_servers_come, kubelets_come
from kprov.provision.cluster.container_runtime import container_runtimes_answer
from kprov.provision.cluster.encryption import make_keyring, seal_secrets
from kprov.provision.cluster.etcd import DATA, form_etcd
from kprov.provision.cluster.joining import label_nodes, make_bootstrap_token, wait_for_nodes
from kprov.provision.cluster.manifests import apply_cluster_objects
from kprov.provision.cluster.phase import Phase
from kprov.provision.cluster.releases import install_release
from kprov.provision.cluster.restarts import restart_stale_services

UP: tuple[Phase, ...] = (
    Phase("Prepare the machines", "all", role="machine", leaves="/var/lib/kprov"),
    Phase("Install packages", "all", procedure=install_packages, tags=("packages",), leaves="/usr/bin/containerd"),
    Phase("Install the daemons", "all", procedure=install_release, tags=("daemons",), leaves=CURRENT),
    Phase(
        "Issue certificates",
        "all",
        procedure=issue_certificates,
        tags=("certificates",),
        leaves="/etc/kubernetes/pki/ca.crt",
    ),
    Phase("Watch the certificates", "all", role="certificate-watch", tags=("certificates",)),
    Phase(
        "Configure etcd",
        "etcd",
        role="etcd",
        serial=1,
        essential=True,
        verify=etcd_answers,
        leaves="/etc/systemd/system/etcd.service",
    ),
    Phase(
        "Form the etcd cluster",
        "etcd",
        procedure=form_etcd,
        essential=True,
        whole=True,
        tags=("etcd",),
        leaves=DATA,
    ),
    Phase(
        "Make the key that Secrets are sealed with",
        "control_plane",
        procedure=make_keyring,
        essential=True,
        whole=True,
        tags=("encryption",),
        gives="encryption_configuration",
    ),
    Phase(
        "Start the API servers",
        "control_plane",
        role="kube-apiserver",
        needs=("encryption_configuration",),
        essential=True,
        rolling=True,
        verify=api_servers_come,
        leaves="/etc/systemd/system/kube-apiserver.service",
    ),
    Phase("Start the load balancers", "all", role="haproxy"),
    Phase("Seal Secrets", "control_plane", procedure=seal_secrets, whole=True, tags=("encryption",)),
    Phase("Share the API's virtual address", "control_plane", role="keepalived"),
    Phase("Start the schedulers", "control_plane", role="kube-scheduler"),
    Phase("Start the controller managers", "control_plane", role="kube-controller-manager"),
    Phase(
        "Make the cluster's own objects",
        "control_plane",
        procedure=apply_cluster_objects,
        whole=True,
        tags=("objects",),
    ),
    Phase("Start containerd", "all", role="containerd", verify=container_runtimes_answer),
    Phase("Import images", "all", procedure=import_images, tags=("images",)),
    Phase(
        "Make a token to join with",
        "all",
        procedure=make_bootstrap_token,
        whole=True,
        tags=("token",),
        gives="bootstrap_token",
    ),
    Phase(
        "Start the kubelets",
        "all",
        role="kubelet",
        verify=kubelets_come,
        leaves="/etc/systemd/system/kubelet.service",
        needs=("bootstrap_token",),
    ),
    Phase("Start the Service proxies", "all", role="kube-proxy"),
    Phase("Start pod network and DNS", "all", role="kprov-node"),
    Phase("Restart what is stale", "all", procedure=restart_stale_services, whole=True, tags=("restart",)),
    Phase("Wait for the nodes", "all", procedure=wait_for_nodes, whole=True, tags=("nodes",)),
    Phase("Label the nodes", "all", procedure=label_nodes, whole=True, tags=("labels",)),
)

ROLES: tuple[str, ...] = tuple(phase.role for phase in UP if phase.role)
