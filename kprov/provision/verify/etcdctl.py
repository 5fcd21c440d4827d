"""How etcd is asked on a member's own machine: with the certificate that health checks use."""

from __future__ import annotations

ETCDCTL = (
    "etcdctl",
    "--endpoints=https://127.0.0.1:2379",
    "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
    "--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt",
    "--key=/etc/kubernetes/pki/etcd/healthcheck-client.key",
    "--dial-timeout=2s",
    "--command-timeout=5s",
)
