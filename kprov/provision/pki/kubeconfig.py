"""Writes a kubeconfig that needs no other file: for people and tools on the controller."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kprov.provision.pki.authority import Authority, private_pem
from kprov.provision.pki.catalogue import Cluster, admin_certificate
from kprov.provision.pki.files import write_private
from kprov.provision.pki.renewal import needs_renewal
from kprov.provision.pki.signing import sign_key


def kubeconfig(
    *, cluster_name: str, server: str, authority_pem: bytes, certificate_pem: bytes, key_pem: bytes, user: str
) -> str:
    """The text of a kubeconfig with everything inline."""
    context = f"{user}@{cluster_name}"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": cluster_name, "cluster": {"server": server, "certificate-authority-data": _encode(authority_pem)}}
        ],
        "users": [
            {
                "name": user,
                "user": {"client-certificate-data": _encode(certificate_pem), "client-key-data": _encode(key_pem)},
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": cluster_name, "user": user}}],
        "current-context": context,
        "preferences": {},
    }
    return yaml.safe_dump(content, sort_keys=False)


def write_admin_kubeconfig(
    path: Path, *, cluster_name: str, server: str, authority: Authority, cluster: Cluster
) -> str | None:
    """Keep the controller's admin.kubeconfig right: mode 0600, a valid certificate, this server.

    Returns why it was written, or None when it was right already and was left alone.
    """
    spec = admin_certificate(cluster)
    reason = _why_rewrite(path, cluster_name, server, authority, cluster)
    if reason is None:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
            return "others could read it"
        return None
    key = ec.generate_private_key(ec.SECP256R1())
    text = kubeconfig(
        cluster_name=cluster_name,
        server=server,
        authority_pem=authority.trusted_pem,
        certificate_pem=sign_key(authority, key.public_key(), spec) + authority.presented_pem,
        key_pem=private_pem(key),
        user=spec.common_name,
    )
    write_private(path, text.encode())
    return reason


def read_certificate(path: Path) -> bytes | None:
    """The client certificate (PEM) in a kubeconfig that kprov wrote; None when there is none to be read."""
    try:
        content = yaml.safe_load(path.read_text())
        return base64.b64decode(content["users"][0]["user"]["client-certificate-data"])
    except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError, ValueError):
        return None


def _why_rewrite(path: Path, cluster_name: str, server: str, authority: Authority, cluster: Cluster) -> str | None:
    if not path.exists():
        return "there is none"
    certificate = read_certificate(path)
    reason = needs_renewal(certificate, admin_certificate(cluster), authority)
    if certificate is None or reason:
        return reason
    content = yaml.safe_load(path.read_text())
    try:
        target = content["clusters"][0]["cluster"]
        key = serialization.load_pem_private_key(
            base64.b64decode(content["users"][0]["user"]["client-key-data"]), password=None
        )
    except (KeyError, IndexError, TypeError, ValueError):
        return "it is damaged"
    if key.public_key() != x509.load_pem_x509_certificate(certificate).public_key():
        return "its key does not belong to its certificate"
    if target.get("server") != server:
        return f"the server changed from {target.get('server')} to {server}"
    if target.get("certificate-authority-data") != _encode(authority.trusted_pem):
        return "the authority changed"
    return None if content["clusters"][0].get("name") == cluster_name else "the cluster was renamed"


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()
