"""How to reach the API server and who one is there: a kubeconfig file, or a pod's service account.

Credentials in files are read again when the files change: the kubelet replaces its certificate while it runs, and
service-account tokens are replaced by the hour.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.kube.api.authorities import trust_each

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LOOK_EVERY = 1.0  # seconds between two looks at the credential files


class KubeconfigError(Exception):
    """The configuration cannot be used. The message names the file and what is missing in it."""


@dataclass(slots=True)
class Material:
    """A certificate, key or authority: a file, or data that came inline."""

    path: Path | None = None
    data: bytes | None = None

    def read(self) -> bytes:
        """The PEM text.

        Raises:
            OSError: the file cannot be read.
        """
        if self.data is not None:
            return self.data
        return self.path.read_bytes() if self.path else b""

    def __bool__(self) -> bool:
        return bool(self.path or self.data)


@dataclass(slots=True)
class Credentials:
    """Where the server is, whom to trust, and who one is.

    Args:
        server: the base URL.
        authority: whom the server's certificate must be from; the system's authorities where empty.
        certificate: the client's certificate.
        key: its key; may stand in the same file.
        token: a bearer token.
        token_file: a file with one, read again when it changes.
        server_name: the name that the server's certificate must carry, where it is not the URL's.
        insecure: do not check the server's certificate.
        namespace: the namespace that the context names.
    """

    server: str
    authority: Material
    certificate: Material
    key: Material
    token: str = ""
    token_file: Path | None = None
    server_name: str | None = None
    insecure: bool = False
    namespace: str = "default"
    _stamp: tuple[tuple[int, int], ...] | None = None
    _looked: float = 0.0

    def changed(self) -> bool:
        """Whether a credential file changed since the last call that said so; looks once a second at most."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return False
        self._looked = now
        stamp = []
        for path in (self.authority.path, self.certificate.path, self.key.path, self.token_file):
            try:
                found = path.stat() if path else None
            except OSError:
                return False  # in the middle of being replaced
            stamp.append((found.st_mtime_ns, found.st_ino) if found else (0, 0))
        before, self._stamp = self._stamp, tuple(stamp)
        return before is not None and before != self._stamp

    def ssl_context(self) -> ssl.SSLContext | None:
        """A fresh TLS context; None for plain http.

        Raises:
            KubeconfigError: a file is missing or is not what it should be.
        """
        if not self.server.startswith("https:"):
            return None
        try:
            context = ssl.create_default_context(cadata=self.authority.read().decode() if self.authority else None)
            trust_each(context)
            if self.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.certificate:
                _load_certificate(context, self.certificate, self.key or self.certificate)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise KubeconfigError(f"the credentials for {self.server} cannot be used: {error}") from error
        return context

    def bearer(self) -> str:
        """The bearer token of the moment, or an empty text."""
        if self.token_file:
            try:
                return self.token_file.read_text().strip()
            except OSError:
                return self.token
        return self.token


def _load_certificate(context: ssl.SSLContext, certificate: Material, key: Material) -> None:
    if certificate.path and key.path:
        context.load_cert_chain(certificate.path, key.path)
        return
    with tempfile.NamedTemporaryFile(
        prefix="kprov-", suffix=".pem"
    ) as both:  # mode 0600; the ssl module reads only files
        both.write(certificate.read() + b"\n" + key.read())
        both.flush()
        context.load_cert_chain(both.name)


def load_kubeconfig(path: str | Path, context_name: str | None = None) -> Credentials:
    """The credentials of a kubeconfig's current (or named) context.

    Raises:
        KubeconfigError: the file cannot be read, or lacks what a client needs.
    """
    import yaml  # only while starting

    file = Path(path)
    try:
        config = yaml.safe_load(file.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise KubeconfigError(f"kubeconfig {file}: {error}") from error
    if not isinstance(config, dict):
        raise KubeconfigError(f"kubeconfig {file} is not a mapping")
    name = context_name or config.get("current-context")
    context = _entry(config, "contexts", "context", name, file)
    cluster = _entry(config, "clusters", "cluster", context.get("cluster"), file)
    user = _entry(config, "users", "user", context.get("user"), file) if context.get("user") else {}
    for unknown in ("exec", "auth-provider", "username"):
        if user.get(unknown):
            raise KubeconfigError(
                f"kubeconfig {file}: kprov does not implement {unknown}: use a certificate or a token"
            )
    if not cluster.get("server"):
        raise KubeconfigError(f"kubeconfig {file}: cluster {context.get('cluster')!r} names no server")
    return Credentials(
        server=str(cluster["server"]).rstrip("/"),
        authority=_material(cluster, "certificate-authority", file),
        certificate=_material(user, "client-certificate", file),
        key=_material(user, "client-key", file),
        token=user.get("token") or "",
        token_file=_beside(file, user["tokenFile"]) if user.get("tokenFile") else None,
        server_name=cluster.get("tls-server-name"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        namespace=context.get("namespace") or "default",
    )


def in_cluster() -> Credentials:
    """The credentials that a pod finds in its environment and its service-account volume.

    Raises:
        KubeconfigError: this is no pod of a cluster.
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (SERVICE_ACCOUNT / "token").exists():
        raise KubeconfigError("no kubeconfig was given, and this is not a pod with a service account")
    namespace = SERVICE_ACCOUNT / "namespace"
    return Credentials(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        authority=Material(SERVICE_ACCOUNT / "ca.crt"),
        certificate=Material(),
        key=Material(),
        token_file=SERVICE_ACCOUNT / "token",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
    )


def _entry(config: dict[str, Any], section: str, kind: str, name: str | None, file: Path) -> dict[str, Any]:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            return entry.get(kind) or {}
    raise KubeconfigError(f"kubeconfig {file} has no {kind} named {name!r}")


def _beside(file: Path, path: str) -> Path:
    return file.parent / path  # an absolute path stays what it is


def _material(section: dict[str, Any], name: str, file: Path) -> Material:
    if data := section.get(f"{name}-data"):
        return Material(data=base64.b64decode(data))
    return Material(_beside(file, section[name])) if section.get(name) else Material()
