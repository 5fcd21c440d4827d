"""The authorities of a cluster, by name."""

from __future__ import annotations

# name -> (common name, file without ending); the files lie as kubeadm's do
AUTHORITIES = {
    "cluster": ("kubernetes", "ca"),
    "etcd": ("etcd-ca", "etcd/ca"),
    "front-proxy": ("kubernetes-front-proxy-ca", "front-proxy-ca"),
}
