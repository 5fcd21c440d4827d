"""The table of the authorities' files that machines have: whom they trust, and what they sign with.

Files lie as kubeadm's do. Source: Kubernetes, "PKI certificates and requirements".
"""

from __future__ import annotations

from dataclasses import dataclass

from kprov.provision.pki.catalogue import CONTROL_PLANE, EVERY_MACHINE, PKI, Machine, is_among


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityFile:
    """A file of an authority that some machines need."""

    path: str
    authority: str
    """As in pki.authority.AUTHORITIES, or ``service-account``."""
    part: str
    """``trusted`` (every certificate that servers are trusted by), ``clients`` (those that clients are believed by),
    ``certificate`` (of who signs), or ``key``; of the service-account key ``public`` or ``key``."""
    groups: tuple[str, ...]
    mode: str = "0644"
    services: tuple[str, ...] = ()
    """The units that read it only when they start."""


_ALL_CLIENTS = ("haproxy", "kprov-node", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")

AUTHORITY_FILES: tuple[AuthorityFile, ...] = (
    AuthorityFile(
        path=f"{PKI}/ca.crt",
        authority="cluster",
        part="trusted",
        groups=(EVERY_MACHINE,),
        services=(*_ALL_CLIENTS, "kubelet"),
    ),
    # Not those above an authority that somebody else has signed: whom else they certified is no user of the cluster.
    AuthorityFile(
        path=f"{PKI}/client-ca.crt",
        authority="cluster",
        part="clients",
        groups=(EVERY_MACHINE,),
        services=("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"),
    ),
    # The controller manager signs the certificates of nodes; it reads both anew each time. While the authority is
    # changed, ca.crt holds two certificates, and upstream's signer takes a file with one.
    AuthorityFile(path=f"{PKI}/ca-signing.crt", authority="cluster", part="certificate", groups=CONTROL_PLANE),
    AuthorityFile(path=f"{PKI}/ca.key", authority="cluster", part="key", groups=CONTROL_PLANE, mode="0600"),
    AuthorityFile(
        path=f"{PKI}/etcd/ca.crt",
        authority="etcd",
        part="clients",
        groups=("etcd", "control_plane"),
        services=("etcd", "kube-apiserver"),
    ),
    AuthorityFile(
        path=f"{PKI}/front-proxy-ca.crt",
        authority="front-proxy",
        part="clients",
        groups=CONTROL_PLANE,
        # The controller manager is told of it too: kprov's believes no front proxy, upstream's reads it again.
        services=("kube-apiserver",),
    ),
    AuthorityFile(
        path=f"{PKI}/sa.pub",
        authority="service-account",
        part="public",
        groups=CONTROL_PLANE,
        services=("kube-apiserver",),
    ),
    AuthorityFile(
        path=f"{PKI}/sa.key",
        authority="service-account",
        part="key",
        groups=CONTROL_PLANE,
        mode="0600",
        services=("kube-apiserver", "kube-controller-manager"),
    ),
)


def authority_files_of(host: Machine) -> list[AuthorityFile]:
    """The authorities' files that ``host`` must have."""
    return [file for file in AUTHORITY_FILES if is_among(file.groups, host)]
