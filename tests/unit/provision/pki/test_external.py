"""Authorities that somebody else has signed: requested, or given with their key; taken at the right time; refused."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kprov.provision.pki import external
from kprov.provision.pki.authority import AUTHORITIES, Authorities, open_authorities
from kprov.provision.pki.catalogue import Cluster, Machine, certificates_of
from kprov.provision.pki.chain import check_chain
from kprov.provision.pki.errors import PkiError, SealedError
from kprov.provision.pki.kubeconfig import read_certificate, write_admin_kubeconfig
from kprov.provision.pki.private_keys import PrivateKey, private_pem
from kprov.provision.pki.rotation import NEXT
from kprov.provision.pki.sealing import is_sealed, key_files, reseal
from kprov.provision.pki.signing import sign_key
from kprov.provision.pki.succession import advance, begin, finish, mark_done

Openssl = Callable[..., subprocess.CompletedProcess[str]]
DAYS = 3650
NOW = datetime.datetime.now(datetime.UTC)


@dataclass
class Signer:
    """An organization's authority, somewhere else."""

    certificate: x509.Certificate
    key: PrivateKey

    def signs(
        self, key: object, name: str, *, pathlen: int | None = 0, days: int = 900, **more: Any
    ) -> x509.Certificate:
        """See `certificate`."""
        return certificate(self.certificate.subject, self.key, key, name, pathlen=pathlen, days=days, **more)

    def takes(self, request: Path, name: str, file: Path, above: tuple[x509.Certificate, ...] = ()) -> Path:
        """Signs a request: what comes back."""
        asked = x509.load_pem_x509_csr(request.read_bytes())
        assert asked.is_signature_valid
        assert asked.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        return chain_file(file, self.signs(asked.public_key(), name), self.certificate, *above)


def certificate(
    issuer: x509.Name | None,
    signs: PrivateKey,
    key: object,
    name: str,
    ca: bool = True,
    pathlen: int | None = 1,
    days: int = 1000,
    begins: datetime.datetime = NOW - datetime.timedelta(hours=1),
    critical: bool = True,
    usage: bool | None = True,
    identifiers: bool = True,
    purposes: tuple[x509.ObjectIdentifier, ...] = (),
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    public = key if isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)) else key.public_key()  # type: ignore[attr-defined]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=pathlen if ca else None), critical=critical)
    )
    if usage is not None:
        no = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=usage, crl_sign=usage, decipher_only=False, **no),
            critical=True,
        )
    if identifiers:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signs.public_key()), critical=False
        )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return builder.sign(signs, hashes.SHA256())


def chain_file(file: Path, *certificates: x509.Certificate) -> Path:
    file.write_bytes(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates))
    return file


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def root() -> Signer:
    key = ec.generate_private_key(ec.SECP384R1())
    return Signer(certificate(None, key, key, "Example root", pathlen=None, days=2000), key)


def opened(state: Path, passphrase: str | None = None) -> Authorities:
    return open_authorities(state, lifetime_days=DAYS, passphrase=passphrase)


def requested(state: Path, root: Signer, *names: str, passphrase: str | None = None) -> None:
    for name, path in external.write_requests(state, names or AUTHORITIES, passphrase=passphrase).items():
        file = root.takes(path, f"Example {name}", state.parent / f"{name}.pem")
        assert external.import_signed(state, file, passphrase=passphrase) == name


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_cluster_is_raised_on_authorities_signed_elsewhere(
    tmp_path: Path, root: Signer, machines: list[Machine], cluster: Cluster, openssl: Openssl
) -> None:
    state = tmp_path / "state"
    requests = external.write_requests(state, AUTHORITIES, passphrase=None)
    assert external.write_requests(state, AUTHORITIES, passphrase=None) == requests
    first = {name: path.read_bytes() for name, path in requests.items()}
    with pytest.raises(PkiError, match=r"is being signed elsewhere: have .*ca\.csr signed"):
        opened(state)  # nothing is made in their place
    requested(state, root)
    assert {name: path.read_bytes() for name, path in requests.items()} == first
    found = opened(state)
    assert not (state / "pki/external").exists()
    assert found.cluster.certificate.subject.rfc4514_string() == "CN=Example cluster"
    assert opened(state).cluster.certificate == found.cluster.certificate
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in key_files(state))

    (tmp_path / "root.pem").write_bytes(root.certificate.public_bytes(serialization.Encoding.PEM))
    for machine in machines:
        for spec in certificates_of(machine, cluster, machines):
            authority = found.by_name(spec.authority)
            key = ec.generate_private_key(ec.SECP256R1()).public_key()
            (tmp_path / "it.pem").write_bytes(sign_key(authority, key, spec) + authority.presented_pem)
            for purpose, wanted in (("sslserver", spec.server), ("sslclient", spec.client)):
                if wanted:
                    # Who knows the root alone, and who knows what the cluster hands out.
                    words = ("verify", "-x509_strict", "-purpose", purpose)
                    openssl(*words, "-CAfile", "root.pem", "-untrusted", "it.pem", "it.pem")
                    (tmp_path / "trusted.pem").write_bytes(authority.trusted_pem)
                    openssl(*words, "-CAfile", "trusted.pem", "it.pem")
                    (tmp_path / "clients.pem").write_bytes(authority.client_pem)
                    openssl(*words, "-partial_chain", "-CAfile", "clients.pem", "it.pem")


def test_whom_else_the_root_certified_is_no_client(tmp_path: Path, root: Signer, openssl: Openssl) -> None:
    requested(tmp_path / "state", root)
    found = opened(tmp_path / "state").cluster
    key = ec.generate_private_key(ec.SECP256R1())
    other = Signer(root.signs(key, "Another department"), key)
    stranger = ec.generate_private_key(ec.SECP256R1())
    chain_file(
        tmp_path / "stranger.pem", other.signs(stranger, "kubernetes-admin", ca=False, days=90), other.certificate
    )
    (tmp_path / "clients.pem").write_bytes(found.client_pem)
    words = ("verify", "-partial_chain", "-CAfile", "clients.pem", "-untrusted", "stranger.pem", "stranger.pem")
    assert openssl(*words, check=False).returncode != 0
    assert root.certificate in x509.load_pem_x509_certificates(found.trusted_pem)
    assert root.certificate not in x509.load_pem_x509_certificates(found.client_pem)


def test_the_administrator_has_the_whole_chain(tmp_path: Path, root: Signer, cluster: Cluster) -> None:
    requested(tmp_path / "state", root)
    found = opened(tmp_path / "state").cluster
    path = tmp_path / "admin.kubeconfig"
    told = {"cluster_name": "demo", "server": "https://192.0.2.1:6443", "authority": found, "cluster": cluster}
    assert write_admin_kubeconfig(path, **told) == "there is none"  # type: ignore[arg-type]
    assert write_admin_kubeconfig(path, **told) is None  # type: ignore[arg-type]
    shown = x509.load_pem_x509_certificates(read_certificate(path) or b"")
    assert shown[1:] == [found.certificate]


def test_an_authority_with_its_key_also_rsa_and_sealed(
    tmp_path: Path, root: Signer, rsa_key: rsa.RSAPrivateKey
) -> None:
    state, key = tmp_path / "state", tmp_path / "ca.key"
    file = chain_file(tmp_path / "ca.pem", root.signs(rsa_key, "Example cluster"), root.certificate)
    key.write_bytes(private_pem(rsa_key, "word"))
    with pytest.raises(SealedError):
        external.import_with_key(state, "cluster", file, key, passphrase=None)
    external.import_with_key(state, "cluster", file, key, passphrase="word")
    with pytest.raises(SealedError):
        opened(state)
    found = opened(state, "word")
    assert found.cluster.key.public_key() == rsa_key.public_key()
    assert found.etcd.above == () and found.etcd.presented_pem == b""  # kprov's own
    assert is_sealed(state / "pki/ca.key")


def test_seals_reach_what_lies_ready(tmp_path: Path, root: Signer) -> None:
    opened(tmp_path)
    external.write_requests(tmp_path, ["etcd"], passphrase=None)
    reseal(tmp_path, old=None, new="word")
    assert is_sealed(tmp_path / "pki/external/etcd/ca.key")


@pytest.mark.parametrize("crash", ["", "before", "after"])
def test_the_present_one_is_followed_by_one_signed_elsewhere(
    tmp_path: Path, root: Signer, crash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    old = opened(state)
    kept = files(state)
    requested(state, root, "cluster")
    ready = external.chain_path(state / "pki", "cluster").read_bytes()
    assert opened(state).cluster.trusted_pem == old.cluster.trusted_pem  # nobody signs with it yet
    from kprov.provision.pki import succession

    if crash:
        hit = "save_rotation" if crash == "before" else "forget"

        def crashes(*arguments: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(succession, hit, crashes)
            with pytest.raises(KeyboardInterrupt):
                begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None)
    begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None)
    assert (state / "pki" / NEXT / "ca.crt").read_bytes() == ready
    assert not (state / "pki/external").exists()
    now = opened(state).cluster
    assert now.certificate == old.cluster.certificate
    trusted = x509.load_pem_x509_certificates(now.trusted_pem)
    assert trusted[2] == root.certificate and trusted[:2] == x509.load_pem_x509_certificates(now.client_pem)
    with pytest.raises(PkiError, match="being changed already"):
        external.write_requests(state, ["cluster"], passphrase=None)
    for _ in range(2):
        mark_done(state, ["cluster"])
        advance(state, ["cluster"])
    mark_done(state, ["cluster"])
    finish(state, ["cluster"])
    assert (state / "pki/ca.crt").read_bytes() == ready and files(state) == kept

    # The next one does not become kprov's own by accident.
    with pytest.raises(PkiError, match=r"was signed by CN=Example root, and none .* --self-signed"):
        begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None)
    external.write_requests(state, ["cluster"], passphrase=None)
    with pytest.raises(PkiError, match="is being signed elsewhere"):
        begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None, own=True)
    assert external.withdraw(state, ["cluster"])
    begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None, own=True)
    assert opened(state).cluster.also_trusted[0].subject.rfc4514_string() == "CN=kubernetes"


def test_what_belongs_to_no_request_is_refused(tmp_path: Path, root: Signer) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    file = chain_file(tmp_path / "other.pem", root.signs(key, "Other"), root.certificate)
    with pytest.raises(PkiError, match="none: `kprov certs request`"):
        external.import_signed(tmp_path, file, passphrase=None)
    external.write_requests(tmp_path, ["etcd"], passphrase=None)
    with pytest.raises(PkiError, match=r"not made of a request .*etcd/ca\.csr"):
        external.import_signed(tmp_path, file, passphrase=None)
    with pytest.raises(PkiError, match="can't be read: No such file"):
        external.import_signed(tmp_path, tmp_path / "none.pem", passphrase=None)
    (tmp_path / "ca.key").write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(PkiError, match="is not the key of CN=Other"):
        external.import_with_key(tmp_path, "etcd", file, tmp_path / "ca.key", passphrase=None)
    (tmp_path / "ca.key").write_bytes(private_pem(key))
    external.import_with_key(tmp_path, "etcd", file, tmp_path / "ca.key", passphrase=None)
    with pytest.raises(PkiError, match=r"is the authority etcd already\. Each needs a key of its own"):
        external.import_with_key(tmp_path, "cluster", file, tmp_path / "ca.key", passphrase=None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n", "is empty"),
        (
            b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
            "is a request, not what was",
        ),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n", "holds a private key"),
        (b"-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----\n", "openssl pkcs7 -print_certs -in"),
        (b"no certificate at all", "holds no certificates in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "holds no certificates in PEM"),
        (None, r"is a certificate in DER; as PEM kprov takes it: openssl x509 -inform DER -in .*\.pem"),
    ],
)
def test_a_file_that_is_no_certificate_is_another_than_was_meant(
    tmp_path: Path, root: Signer, content: bytes | None, message: str
) -> None:
    file = tmp_path / "signed.crt"
    file.write_bytes(root.certificate.public_bytes(serialization.Encoding.DER) if content is None else content)
    with pytest.raises(PkiError, match=rf"{message}.*\. Name the file with the certificate") as raised:
        external.import_signed(tmp_path, file, passphrase=None)
    assert "backup" not in str(raised.value)


def test_a_key_that_may_be_in_use_is_not_overwritten(tmp_path: Path, root: Signer) -> None:
    opened(tmp_path / "state")
    requested(tmp_path / "state", root, "etcd")
    (tmp_path / "state/pki/etcd/ca.crt").unlink()
    with pytest.raises(PkiError, match="is there without its certificate"):
        opened(tmp_path / "state")


WRONG = {
    "is no authority: its basicConstraints say CA:FALSE": {"ca": False},
    "not marked critical": {"critical": False},
    "lacks keyUsage": {"usage": None},
    "keyUsage lacks keyCertSign": {"usage": False},
    "lacks subjectKeyIdentifier": {"identifiers": False},
    "limited by its extendedKeyUsage": {"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)},
    "would outlive CN=Example root": {"days": 3000},
    "is not valid before": {"begins": NOW + datetime.timedelta(days=1)},
    "expired on": {"begins": NOW - datetime.timedelta(days=3), "days": 2},
}


@pytest.mark.parametrize("message", WRONG)
def test_no_cluster_is_built_on_what_clients_would_refuse(root: Signer, message: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(PkiError, match=f"given.pem: CN=Example.*{message}"):
        check_chain((root.signs(key, "Example", **WRONG[message]), root.certificate), "given.pem")  # type: ignore[arg-type]


def test_chains_end_at_one_that_signed_itself_in_order(root: Signer) -> None:
    key, below = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    middle = Signer(root.signs(key, "Middle", pathlen=1), key)
    last = middle.signs(below, "Last", days=800)
    check_chain((last, middle.certificate, root.certificate), "given.pem")
    check_chain((root.certificate,), "given.pem")
    with pytest.raises(PkiError, match="CN=Middle was signed by CN=Example root, whose certificate is not in the file"):
        check_chain((last, middle.certificate), "given.pem")
    with pytest.raises(PkiError, match="not by the next one in the file, CN=Example root: who signs comes first"):
        check_chain((last, root.certificate, middle.certificate), "given.pem")
    short = Signer(root.signs(key, "Short", pathlen=0), key)
    with pytest.raises(PkiError, match=r"CN=Short allows 0 authorities below it \(pathlen\), and there are 1"):
        check_chain((short.signs(below, "Last", days=800), short.certificate, root.certificate), "given.pem")
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(PkiError, match="an RSA key of 1024 bits"):
        check_chain((root.signs(weak, "Weak"), root.certificate), "given.pem")
