"""Who speaks to the API server: each with a token, a client certificate and a kubeconfig."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import yaml

from kprov.lab.control_plane.authority import Authority, write_key_pair

# file -> the user and its group
IDENTITIES = {
    "admin": ("kubernetes-admin", "system:masters"),
    "scheduler": ("system:kube-scheduler", ""),
    "controller-manager": ("system:kube-controller-manager", ""),
    "kubelet": ("system:node:node-1", "system:nodes"),
    "apiserver-kubelet-client": ("kube-apiserver-kubelet-client", "system:masters"),
}
SERVER_NAMES = (
    "127.0.0.1",
    "10.0.0.1",
    "localhost",
    *(f"kubernetes{rest}" for rest in ("", ".default", ".default.svc")),
)


def prepare(folder: Path, server: str) -> None:
    """Make what is missing below a folder: pki/NAME.crt and .key, tokens.csv, and NAME.kubeconfig for each identity.

    Args:
        folder: where.
        server: the API server's URL.
    """
    pki = folder / "pki"
    if not (folder / "tokens.csv").exists():
        authority = Authority(pki)
        authority.issue("apiserver", "kube-apiserver", addresses=SERVER_NAMES)
        authority.issue("front-proxy-client", "front-proxy-client")
        write_key_pair(pki, "sa")
        rows = []
        for name, (user, group) in IDENTITIES.items():
            authority.issue(name, user, group)
            rows.append(f'{secrets.token_urlsafe(24)},{user},,"{group}"\n')
        path = folder / "tokens.csv"
        path.touch(0o600)
        path.write_text("".join(rows))
    tokens = [row.split(",", 1)[0] for row in (folder / "tokens.csv").read_text().splitlines()]
    for name, token in zip(IDENTITIES, tokens, strict=True):
        _write_kubeconfig(folder / f"{name}.kubeconfig", server, (pki / "ca.crt").read_text(), token)


def _write_kubeconfig(path: Path, server: str, authority: str, token: str) -> None:
    trusted = base64.b64encode(authority.encode()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "loopback", "cluster": {"server": server, "certificate-authority-data": trusted}}],
        "users": [{"name": path.stem, "user": {"token": token}}],
        "contexts": [{"name": "loopback", "context": {"cluster": "loopback", "user": path.stem}}],
        "current-context": "loopback",
    }
    path.touch(0o600)
    path.write_text(yaml.safe_dump(config))
