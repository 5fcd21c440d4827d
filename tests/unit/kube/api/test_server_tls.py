"""Clients are told in the handshake whose certificates are taken."""

import asyncio
import datetime
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kprov.kube.api.peer import peer_certificate, peer_chain
from kprov.kube.api.server_tls import ServerTLS


def _certificate(folder: Path, common_name: str) -> tuple[Path, Path, bytes]:
    """A self-signed certificate's file, its key's, and its subject as it travels."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{common_name}.crt", folder / f"{common_name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file, name.public_bytes()


def _first_words(server: ssl.SSLContext) -> bytes:
    """What a server says to a client's greeting; TLS 1.2, where that can be read."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client.wrap_bio(to_client, to_server).do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        server.wrap_bio(to_server, to_client, server_side=True).do_handshake()
    return to_client.read()


def test_the_names_of_all_authorities_are_sent(tmp_path: Path) -> None:
    certificate, key, _ = _certificate(tmp_path, "server")
    people, _, people_name = _certificate(tmp_path, "authority-of-people")
    proxies, _, proxies_name = _certificate(tmp_path, "authority-of-proxies")
    tls = ServerTLS(str(certificate), str(key), [str(people), "", str(proxies)])
    words = _first_words(tls.context)
    assert people_name in words
    assert proxies_name in words


def test_names_follow_the_files(tmp_path: Path) -> None:
    certificate, key, _ = _certificate(tmp_path, "server")
    authority, _, old_name = _certificate(tmp_path, "authority-of-old")
    tls = ServerTLS(str(certificate), str(key), [str(authority)])
    newer, _, new_name = _certificate(tmp_path, "authority-of-new")
    authority.write_bytes(newer.read_bytes())
    for _ in range(50):  # each list takes the place of the one before, which is freed
        tls.load()
    words = _first_words(tls.context)
    assert new_name in words
    assert old_name not in words


def _greets(server: ssl.SSLContext, certificate: Path, key: Path) -> ssl.SSLObject:
    """The server's side of a connection whose client shows a certificate. Raises ssl.SSLError where it is refused."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.load_cert_chain(certificate, key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server)  # which names no server, as with an address
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (theirs, ours):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return ours


def test_an_authority_that_is_taken_out_is_trusted_no_longer(tmp_path: Path) -> None:
    certificate, key, _ = _certificate(tmp_path, "server")
    old, old_key, _ = _certificate(tmp_path, "authority-of-old")
    new, new_key, _ = _certificate(tmp_path, "authority-of-new")
    bundle = tmp_path / "bundle.crt"
    bundle.write_bytes(old.read_bytes())
    tls = ServerTLS(str(certificate), str(key), [str(bundle)])
    session = _greets(tls.context, old, old_key)
    assert session.getpeercert(True) == ssl.PEM_cert_to_DER_cert(old.read_text())
    with pytest.raises(ssl.SSLError):
        _greets(tls.context, new, new_key)
    bundle.write_bytes(new.read_bytes())
    tls.load()
    assert _greets(tls.context, new, new_key).getpeercert(True) == ssl.PEM_cert_to_DER_cert(new.read_text())
    with pytest.raises(ssl.SSLError):
        _greets(tls.context, old, old_key)


def test_a_connections_chain_is_told(tmp_path: Path) -> None:
    certificate, key, _ = _certificate(tmp_path, "server")
    authority, authority_key, _ = _certificate(tmp_path, "authority-of-people")
    session = _greets(ServerTLS(str(certificate), str(key), [str(authority)]).context, authority, authority_key)

    class Transport(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return session if name == "ssl_object" else default

    own = ssl.PEM_cert_to_DER_cert(authority.read_text())
    assert peer_certificate(Transport()) == own
    assert peer_chain(Transport()) == (own,)
    assert (peer_certificate(None), peer_chain(None)) == (None, ())


def test_without_authorities_no_certificate_is_asked_for(tmp_path: Path) -> None:
    certificate, key, _ = _certificate(tmp_path, "server")
    _, _, name = _certificate(tmp_path, "authority-of-nobody")
    tls = ServerTLS(str(certificate), str(key))
    assert tls.context.verify_mode == ssl.CERT_NONE
    assert name not in _first_words(tls.context)
