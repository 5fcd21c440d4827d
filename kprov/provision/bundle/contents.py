"""What goes into a bundle: the names, as data."""

from __future__ import annotations

# Debian packages that some machine of a cluster needs; what they depend on comes along.
PACKAGES = (
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "etcd-client",
    "etcd-server",
    "ethtool",
    "haproxy",
    "iproute2",
    "iptables",  # the CNI plugin portmap calls it
    "keepalived",
    "kmod",
    "libnftables1",
    "nftables",
    "openssl",
    "procps",
    "python3",
    "runc",
    "socat",
)

# What the images are made of; taken from Debian 12 whatever the machines run: both programs are static, but looking up
# names loads the C library that they were built with.
IMAGE_PACKAGES = ("busybox-static", "catatonit", "libc6")
IMAGE_RELEASE = "12"

# Program -> the module whose main() it is. The names are upstream's; pyproject.toml has the same.
DAEMONS = {
    "kube-apiserver": "kprov.kube.apiserver.main",
    "kube-controller-manager": "kprov.kube.controllers.main",
    "kube-proxy": "kprov.kube.proxy.main",
    "kube-scheduler": "kprov.kube.scheduler.main",
    "kubelet": "kprov.kube.kubelet.main",
    "kprov-node": "kprov.kube.node.main",
}
EXTRA = "kube"  # the extra of kprov's distribution that lists the daemons' libraries

REGISTRY = "registry.kprov.local"  # no such registry is there: the name only tells whose images these are
