"""The table of every certificate of the cluster.

Adding a certificate is adding a row. Files lie as kubeadm's do, so that people and tools find them.
Source: Kubernetes, "PKI certificates and requirements".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kprov.provision.pki.specification import CertificateSpec

PKI = "/etc/kubernetes/pki"
EVERY_MACHINE = "all"
LOOPBACK_NAMES = ("localhost",)
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")


class Machine(Protocol):
    """What the table must know of a host."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def node_address(self) -> str: ...
    @property
    def groups(self) -> tuple[str, ...]: ...


class Cluster(Protocol):
    """What the table must know of the cluster's settings."""

    @property
    def dns_domain(self) -> str: ...
    @property
    def kubernetes_service_address(self) -> str: ...
    @property
    def api_virtual_address(self) -> str: ...
    @property
    def api_extra_names(self) -> tuple[str, ...]: ...
    @property
    def certificate_lifetime_days(self) -> int: ...


Names = Callable[[Machine, Cluster, Sequence[Machine]], Iterable[str]]


def _no_names(host: Machine, cluster: Cluster, hosts: Sequence[Machine]) -> Iterable[str]:
    return ()


def _own_names(host: Machine, cluster: Cluster, hosts: Sequence[Machine]) -> Iterable[str]:
    """The machine's own names and addresses, and loopback: its neighbours on the machine connect there."""
    return (host.name, *LOOPBACK_NAMES, *LOOPBACK_ADDRESSES, host.node_address, host.address)


def _api_names(host: Machine, cluster: Cluster, hosts: Sequence[Machine]) -> Iterable[str]:
    """Every name by which any API server may be called: no control-plane machine is special."""
    yield from ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    yield f"kubernetes.default.svc.{cluster.dns_domain}"
    yield cluster.kubernetes_service_address
    yield from (*LOOPBACK_NAMES, *LOOPBACK_ADDRESSES)
    for machine in hosts:
        if "control_plane" in machine.groups:
            yield from (machine.name, machine.node_address, machine.address)
    if cluster.api_virtual_address:
        yield cluster.api_virtual_address
    yield from cluster.api_extra_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One certificate, for every machine of some groups. ``{host}`` in a name is the machine's name."""

    name: str
    file: str
    groups: tuple[str, ...]
    authority: str = "cluster"
    common_name: str
    organizations: tuple[str, ...] = ()
    names: Names = _no_names
    server: bool = False
    client: bool = False
    owner: str = "root"
    services: tuple[str, ...]


ETCD, CONTROL_PLANE = ("etcd",), ("control_plane",)

CATALOGUE: tuple[Row, ...] = (
    Row(
        name="etcd-server",
        file="etcd/server",
        groups=ETCD,
        authority="etcd",
        common_name="{host}",
        names=_own_names,
        server=True,
        client=True,
        owner="etcd",
        services=("etcd",),
    ),
    Row(
        name="etcd-peer",
        file="etcd/peer",
        groups=ETCD,
        authority="etcd",
        common_name="{host}",
        names=_own_names,
        server=True,
        client=True,
        owner="etcd",
        services=("etcd",),
    ),
    Row(
        name="etcd-healthcheck-client",
        file="etcd/healthcheck-client",
        groups=ETCD,
        authority="etcd",
        common_name="kube-etcd-healthcheck-client",
        client=True,
        services=(),
    ),
    Row(
        name="apiserver",
        file="apiserver",
        groups=CONTROL_PLANE,
        common_name="kube-apiserver",
        names=_api_names,
        server=True,
        services=("kube-apiserver",),
    ),
    Row(
        name="apiserver-kubelet-client",
        file="apiserver-kubelet-client",
        groups=CONTROL_PLANE,
        common_name="kube-apiserver-kubelet-client",
        organizations=("system:masters",),
        client=True,
        services=("kube-apiserver",),
    ),
    Row(
        name="apiserver-etcd-client",
        file="apiserver-etcd-client",
        groups=CONTROL_PLANE,
        authority="etcd",
        common_name="kube-apiserver-etcd-client",
        client=True,
        services=("kube-apiserver",),
    ),
    Row(
        name="front-proxy-client",
        file="front-proxy-client",
        groups=CONTROL_PLANE,
        authority="front-proxy",
        common_name="front-proxy-client",
        client=True,
        services=("kube-apiserver",),
    ),
    Row(
        name="controller-manager",
        file="controller-manager",
        groups=CONTROL_PLANE,
        common_name="system:kube-controller-manager",
        client=True,
        services=("kube-controller-manager",),
    ),
    Row(
        name="controller-manager-serving",
        file="controller-manager-serving",
        groups=CONTROL_PLANE,
        common_name="kube-controller-manager",
        names=_own_names,
        server=True,
        services=("kube-controller-manager",),
    ),
    Row(
        name="scheduler",
        file="scheduler",
        groups=CONTROL_PLANE,
        common_name="system:kube-scheduler",
        client=True,
        services=("kube-scheduler",),
    ),
    Row(
        name="scheduler-serving",
        file="scheduler-serving",
        groups=CONTROL_PLANE,
        common_name="kube-scheduler",
        names=_own_names,
        server=True,
        services=("kube-scheduler",),
    ),
    # For /etc/kubernetes/admin.conf, for whoever is root on a control-plane machine.
    Row(
        name="admin",
        file="admin",
        groups=CONTROL_PLANE,
        common_name="kubernetes-admin",
        organizations=("system:masters",),
        client=True,
        services=(),
    ),
    Row(
        name="kube-proxy",
        file="kube-proxy",
        groups=(EVERY_MACHINE,),
        common_name="system:kube-proxy",
        client=True,
        services=("kube-proxy",),
    ),
    Row(
        name="kprov-node",
        file="kprov-node",
        groups=(EVERY_MACHINE,),
        common_name="kprov-node",
        organizations=("kprov:nodes",),
        client=True,
        services=("kprov-node",),
    ),
)


def certificates_of(host: Machine, cluster: Cluster, hosts: Iterable[Machine]) -> list[CertificateSpec]:
    """Every certificate that ``host`` must have; ``hosts`` are all machines of the cluster."""
    everyone = list(hosts)
    return [_specify(row, host, cluster, everyone) for row in CATALOGUE if is_among(row.groups, host)]


def admin_certificate(cluster: Cluster, path: str = "") -> CertificateSpec:
    """The certificate in the controller's admin.kubeconfig."""
    row = next(row for row in CATALOGUE if row.name == "admin")
    return CertificateSpec(
        name="admin",
        authority=row.authority,
        common_name=row.common_name,
        organizations=row.organizations,
        client=True,
        lifetime_days=cluster.certificate_lifetime_days,
        path=path,
    )


def is_among(groups: tuple[str, ...], host: Machine) -> bool:
    """Whether a machine is in one of these groups."""
    return EVERY_MACHINE in groups or any(group in host.groups for group in groups)


def _specify(row: Row, host: Machine, cluster: Cluster, hosts: Sequence[Machine]) -> CertificateSpec:
    dns_names, addresses = _sort_names(row.names(host, cluster, hosts))
    return CertificateSpec(
        name=row.name,
        authority=row.authority,
        common_name=row.common_name.format(host=host.name),
        organizations=row.organizations,
        dns_names=dns_names,
        addresses=addresses,
        server=row.server,
        client=row.client,
        lifetime_days=cluster.certificate_lifetime_days,
        path=f"{PKI}/{row.file}.crt",
        key_path=f"{PKI}/{row.file}.key",
        owner=row.owner,
        group=row.owner,
        services=row.services,
    )


def _sort_names(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and addresses apart, each once, in order."""
    dns_names: dict[str, None] = {}
    addresses: dict[str, None] = {}
    for name in names:
        try:
            addresses[str(ipaddress.ip_address(name))] = None
        except ValueError:
            dns_names[name] = None
    return tuple(dns_names), tuple(addresses)
