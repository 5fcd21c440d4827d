"""Joining with a bootstrap token, serving with a certificate of the cluster, and who may ask the node."""

from __future__ import annotations

import datetime
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
from conftest import NODE_IP, Machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_api import FakeApi
from private_runtime import PrivateRuntime

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


class Authority:
    """Signs what it is asked to."""

    def __init__(self, days: float = 30) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        self.lifetime = datetime.timedelta(days=days)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = self._builder(self.name, self.key.public_key()).add_extension(constraints, critical=True)
        self.pem = self.certificate.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(seconds=5))
            .not_valid_after(now + self.lifetime)
        )

    def sign(self, pem: bytes) -> bytes:
        """A certificate for a request, with the names that it asks for."""
        request = x509.load_pem_x509_csr(pem)
        builder = self._builder(request.subject, request.public_key())
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, critical=extension.critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def client(self, folder: Path, name: str, group: str) -> Path:
        """A file with a client certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [(NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, group)]
        builder = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(oid, text) for oid, text in subject])
        )
        csr = builder.sign(key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / f"{name}.pem"
        path.write_bytes(self.sign(csr.public_bytes(serialization.Encoding.PEM)) + private)
        return path


def secured(machine: Machine, authority: Authority) -> None:
    (machine.folder / "ca.crt").write_bytes(authority.pem)
    machine.config |= {
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(machine.folder / "ca.crt")},
        },
        "authorization": {"mode": "Webhook", "webhook": {"cacheAuthorizedTTL": "0s", "cacheUnauthorizedTTL": "0s"}},
        "serverTLSBootstrap": True,
        "rotateCertificates": True,
    }
    machine.bootstrap = True


async def get(machine: Machine, path: str, client: Path | None = None, token: str = "") -> tuple[int, str]:
    context = ssl.create_default_context(cafile=str(machine.folder / "ca.crt"))
    if client:
        context.load_cert_chain(client)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"https://{NODE_IP}:10250{path}"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_join_serve_and_refuse(runtime: PrivateRuntime, api: FakeApi, tmp_path: Path) -> None:
    machine, authority = Machine(runtime, api, tmp_path), Authority()
    secured(machine, authority)
    try:
        machine.start()
        await api.until(lambda: [path for path in api.objects if path.startswith(CSRS)], "the request")
        first = next(path for path in api.objects if path.startswith(CSRS))
        spec = api.objects[first]["spec"]
        assert spec["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
        await api.until(lambda: machine.ran("waiting for the certificate"), "the kubelet waits for it")
        machine.stop(kill=True)  # in the middle of joining
        machine.start()
        await api.until(
            lambda: machine.log.read_text().count("waiting for the certificate") == 2, "the same request again"
        )
        assert [path for path in api.objects if path.startswith(CSRS)] == [first]
        api.sign = authority.sign
        api.sign_waiting()
        await api.until(lambda: machine.ran("serving on"), "the server")
        assert (tmp_path / "pki/kubelet-client-current.pem").resolve().stat().st_mode & 0o777 == 0o600
        assert "kubelet-client-current.pem" in (tmp_path / "kubeconfig").read_text()

        admin = authority.client(tmp_path, "admin", "system:masters")
        somebody = authority.client(tmp_path, "somebody", "people")
        assert (await get(machine, "/healthz"))[0] == 401
        assert await get(machine, "/healthz", admin) == (200, "ok")
        api.allow = False
        status, text = await get(machine, "/pods", somebody)
        assert (status, text) == (403, "Forbidden (user=somebody, verb=get, resource=nodes, subresource=proxy)")
        api.allow = True
        assert (await get(machine, "/metrics", somebody))[0] == 200
        api.tokens["good"] = {"username": "robot", "groups": []}
        assert (await get(machine, "/stats/summary", token="good"))[0] == 200
        assert (await get(machine, "/stats/summary", token="bad"))[0] == 401
        assert json.loads((await get(machine, "/pods", admin))[1])["items"] == []
    except BaseException:
        print(machine.log.read_text()[-3000:])
        raise
    finally:
        machine.stop()


async def test_certificates_are_renewed_in_time(runtime: PrivateRuntime, api: FakeApi, tmp_path: Path) -> None:
    machine, authority = Machine(runtime, api, tmp_path), Authority(days=16 / 86400)
    secured(machine, authority)
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    api.sign = authority.sign
    try:
        machine.start()
        await api.until(lambda: machine.ran("serving on"), "the server")
        first = (tmp_path / "pki/kubelet-client-current.pem").resolve()
        await api.until(lambda: machine.ran("serving with the new certificate"), "a new serving certificate")
        await api.until(
            lambda: (tmp_path / "pki/kubelet-client-current.pem").resolve() != first, "a new client certificate"
        )
    except BaseException:
        print(machine.log.read_text()[-3000:])
        raise
    finally:
        machine.stop()
