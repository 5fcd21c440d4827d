"""Starts etcd and kprov's API server on this machine, for trying clients and other daemons against it.

    .venv/bin/python tests/integration/apiserver/control_plane.py [--dir DIR] [--port 16443] [kube-apiserver flags ...]

Everything listens on loopback and lies in one folder, which ends with the script unless --dir names it. It prints the
kubeconfig of an administrator once the server is ready, and stops with Ctrl-C. Other identities: DIR/pki/NAME.conf.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import ipaddress
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = Path(__file__).resolve().parents[3]
IDENTITIES = {
    "admin": ("kubernetes-admin", "system:masters"),
    "scheduler": ("system:kube-scheduler", ""),
    "controller-manager": ("system:kube-controller-manager", ""),
    "kubelet": ("system:node:node-1", "system:nodes"),
    "apiserver-kubelet-client": ("kube-apiserver-kubelet-client", "system:masters"),
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
        )
        self._certificate = builder.sign(self._key, hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        write_key(folder / f"{name}.key", self._key)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    def issue(self, file: str, common_name: str, organization: str = "", *, server: bool = False) -> None:
        """A certificate and its key, as FILE.crt and FILE.key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if organization:
            names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(x509.Name(names), key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if server:
            alternatives = [
                x509.DNSName("localhost"),
                x509.DNSName("kubernetes.default.svc"),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        (self.folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_key(self.folder / f"{file}.key", key)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """A private key in PEM form."""
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def kubeconfig(folder: Path, server: str, name: str) -> Path:
    """A kubeconfig of one of the identities, certificates by path."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "try", "cluster": {"server": server, "certificate-authority": str(folder / "ca.crt")}}],
        "users": [
            {
                "name": name,
                "user": {"client-certificate": str(folder / f"{name}.crt"), "client-key": str(folder / f"{name}.key")},
            }
        ],
        "contexts": [{"name": "try", "context": {"cluster": "try", "user": name}}],
        "current-context": "try",
    }
    path = folder / f"{name}.conf"
    path.write_text(yaml.safe_dump(config))
    return path


class ControlPlane:
    """etcd and an API server (or several), as processes of this one."""

    def __init__(self, folder: Path, port: int = 0, flags: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.pki = folder / "pki"
        self.flags = flags
        self.etcd_port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def server(self) -> str:
        """The server's URL."""
        return f"https://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Make certificates and kubeconfigs, once a folder."""
        if not (self.pki / "admin.crt").exists():
            authority = Authority(self.pki)
            authority.issue("apiserver", "kube-apiserver", server=True)
            for name, (common_name, organization) in IDENTITIES.items():
                authority.issue(name, common_name, organization)
            key = ec.generate_private_key(ec.SECP256R1())
            write_key(self.pki / "sa.key", key)
            public = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            (self.pki / "sa.pub").write_bytes(public)
        for name in IDENTITIES:
            kubeconfig(self.pki, self.server, name)

    def start_etcd(self) -> None:
        """Start one member of etcd."""
        program = os.environ.get("ETCD") or shutil.which("etcd")
        if not program:
            raise SystemExit("etcd is not installed: apt-get install etcd-server, or name the program in $ETCD")
        url, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{free_port()}"
        self._spawn(
            "etcd",
            [program, "--data-dir", str(self.folder / "etcd"), "--listen-client-urls", url, "--advertise-client-urls",
             url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster",
             f"default={peer}", "--unsafe-no-fsync"],
        )  # fmt: skip

    def arguments(self, port: int) -> list[str]:
        """The API server's command line."""
        pki = self.pki
        return [
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--enable-bootstrap-token-auth=true",
            "--allow-privileged=true",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP,Hostname",
            "--service-cluster-ip-range=10.96.0.0/16",
            *self.flags,
        ]

    def start_apiserver(self, port: int = 0, *flags: str) -> None:
        """Start the API server, or another one on another port with flags that count more."""
        program = [sys.executable, "-c", "from kprov.kube.apiserver.main import main; main()"]
        self._spawn(f"kube-apiserver{port or ''}", [*program, *self.arguments(port or self.port), *flags])

    @contextlib.contextmanager
    def second(self, *flags: str) -> Iterator[str]:
        """Another API server beside the first, with these flags besides; its URL."""
        port = free_port()
        self.start_apiserver(port, *flags)
        process = self.processes[-1]
        try:
            self.wait_ready(f"https://127.0.0.1:{port}")
            yield f"https://127.0.0.1:{port}"
        finally:
            self.processes.remove(process)
            process.terminate()
            process.wait(15)

    def _spawn(self, name: str, command: list[str]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True))

    def wait_ready(self, server: str = "", seconds: float = 30.0) -> None:
        """Return once /readyz says ok. Raises RuntimeError with the log's end otherwise."""
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        deadline, last = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            for process in self.processes:
                if process.poll() is not None:
                    raise RuntimeError(f"a process ended: {self._logs()}")
            try:
                with urllib.request.urlopen(f"{server or self.server}/readyz?verbose", context=context, timeout=2):
                    return
            except urllib.error.HTTPError as error:
                last = error.read().decode()
            except OSError as error:
                last = str(error)
            time.sleep(0.05)
        raise RuntimeError(f"not ready after {seconds:g} s: {last}\n{self._logs()}")

    def _logs(self) -> str:
        return "\n".join(
            f"{path.name}: {''.join(path.read_text().splitlines(True)[-15:])}" for path in self.folder.glob("*.log")
        )

    def start(self) -> None:
        """All of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self.start_etcd()
        self.start_apiserver()
        self.wait_ready()

    def stop(self) -> None:
        """End what was started, the newest first."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                if process.poll() is None:
                    process.kill()
                    process.wait()
        self.processes.clear()


@contextlib.contextmanager
def control_plane(folder: Path, flags: tuple[str, ...] = ()) -> Iterator[ControlPlane]:
    """A control plane for as long as a test needs it."""
    plane = ControlPlane(folder, flags=flags)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options, flags = parser.parse_known_args()
    folder = options.dir or Path(tempfile.mkdtemp(prefix="kprov-control-plane-"))
    plane = ControlPlane(folder.resolve(), options.port, tuple(flags))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        plane.start()
        print(f"export KUBECONFIG={plane.pki}/admin.conf", flush=True)
        print(
            f"# {plane.server}; etcd at http://127.0.0.1:{plane.etcd_port}; logs in {folder}; Ctrl-C stops", flush=True
        )
        for process in plane.processes:
            process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        plane.stop()
        if options.dir is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
