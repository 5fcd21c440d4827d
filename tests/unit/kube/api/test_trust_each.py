"""An authority that another has signed is trusted for itself, and whom else that other certified is not."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kprov.kube.api.authorities import trust_each
from kprov.kube.api.server_tls import ServerTLS

Key = ec.EllipticCurvePrivateKey
NOW = datetime.datetime.now(datetime.UTC)


class Issuer:
    """Somebody with a key and a certificate."""

    def __init__(self, name: str, above: Issuer | None = None, *, ca: bool = True) -> None:
        self.key: Key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        self.certificate: x509.Certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(above.certificate.subject if above else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - datetime.timedelta(hours=1))
            .not_valid_after(NOW + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(address, critical=False)
            .sign(above.key if above else self.key, hashes.SHA256())
        )
        self.line: list[Issuer] = [self, *(above.line if above else [])]

    def files(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Its certificate with those above it but the last, and its key."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(b"".join(each.pem for each in self.line[:-1]))
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """Without a network. Returns: the client's certificate, as the server took it."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(down, up, server_hostname="127.0.0.1")
    ours = server.wrap_bio(up, down, server_side=True)
    waiting = [theirs, ours]
    for _ in range(20):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
        if not waiting:
            return ours.getpeercert(binary_form=True)
    raise AssertionError("the handshake does not end")


@pytest.mark.parametrize(("who", "taken"), [("mine", True), ("another's", False)])
def test_clients_of_this_authority_alone(tmp_path: Path, who: str, taken: bool) -> None:
    root = Issuer("root")
    mine, another = Issuer("mine", root), Issuer("another", root)
    (tmp_path / "client-ca.crt").write_bytes(mine.pem)
    certificate, key = Issuer("server", mine, ca=False).files(tmp_path, "server")
    server = ServerTLS(str(certificate), str(key), [str(tmp_path / "client-ca.crt")]).context
    client = trust_each(ssl.create_default_context(cadata=mine.pem.decode()))
    client.load_cert_chain(*Issuer("user", mine if who == "mine" else another, ca=False).files(tmp_path, "user"))
    if taken:
        assert x509.load_der_x509_certificate(shake_hands(server, client) or b"").subject.rfc4514_string() == "CN=user"
    else:
        with pytest.raises(ssl.SSLError, match="unable to get local issuer certificate"):
            shake_hands(server, client)
