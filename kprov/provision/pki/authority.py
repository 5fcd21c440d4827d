"""The cluster's authorities: made once, kept by the controller, mode 0600, sealed with a passphrase if so wished."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from kprov.provision.pki.authority_names import AUTHORITIES
from kprov.provision.pki.chain import AUTHORITY_CONSTRAINTS, AUTHORITY_USAGE, Chain, is_self_signed, load_chain, pem_of
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.external import forget, take
from kprov.provision.pki.files import exclusive, write_private
from kprov.provision.pki.private_keys import PrivateKey, load_private_key, private_pem
from kprov.provision.pki.rotation import NEXT, SERVICE_ACCOUNT, Step, load_rotation

# Machines whose clocks are a little behind must not refuse a new certificate.
BACKDATE = datetime.timedelta(minutes=5)

_SERVICE_ACCOUNT_KEY_SIZE = 2048  # tokens are signed RS256, as kubeadm's are


@dataclass(frozen=True, slots=True)
class Authority:
    """One authority: its certificate, and the key that signs.

    While it is changed for another, that one is trusted as well: before it signs, and after it has signed.

    Attributes:
        above: who signed it, and so on, where that was somebody else.
        also_trusted: the other one, and who signed that.
    """

    name: str
    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    certificate_path: Path
    above: Chain = ()
    also_trusted: Chain = ()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate of who signs."""
        return pem_of([self.certificate])

    @property
    def trusted_pem(self) -> bytes:
        """For those who must trust servers: its certificate, then whoever else is trusted, then who signed these.

        OpenSSL, unless it is told otherwise, trusts nobody whose chain does not end at one that signed itself.
        """
        return pem_of([self.certificate, *self.also_trusted, *self.above])

    @property
    def client_pem(self) -> bytes:
        """For those who must believe clients: who signs, and whoever does so besides it, and nobody above these.

        Whom else an organization's root has certified is no member of the cluster.
        """
        return pem_of([self.certificate, *self.also_trusted[:1]])

    @property
    def presented_pem(self) -> bytes:
        """What is sent with each certificate, to clients that know only who signed itself; nothing where it did."""
        line = (self.certificate, *self.above)
        return pem_of([each for each in line if not is_self_signed(each)])

    @property
    def key_pem(self) -> bytes:
        """The key, unsealed: for control-plane machines, whose controller manager signs nodes' certificates."""
        return private_pem(self.key)


@dataclass(frozen=True, slots=True)
class ServiceAccountKey:
    """What service-account tokens are signed with and checked by.

    ``public_pem`` holds the public half of ``private_pem`` first, then whichever else is believed.
    """

    private_pem: bytes = field(repr=False)
    public_pem: bytes


@dataclass(frozen=True, slots=True)
class Authorities:
    """Everything that the controller signs with."""

    folder: Path
    cluster: Authority
    etcd: Authority
    front_proxy: Authority
    service_account: ServiceAccountKey

    def by_name(self, name: str) -> Authority:
        """The authority named as in AUTHORITIES. Raises KeyError for another name."""
        return {"cluster": self.cluster, "etcd": self.etcd, "front-proxy": self.front_proxy}[name]


def open_authorities(state_directory: Path, *, lifetime_days: int, passphrase: str | None = None) -> Authorities:
    """Load the authorities from ``state_directory/pki``; make those that were never made.

    Args: ``passphrase`` opens sealed keys, and seals new ones.
    Raises SealedError when keys are sealed and the passphrase does not open them, PkiError when files are missing or
    damaged: an authority is never silently made anew, since a cluster trusts the old one.
    """
    folder = state_directory / "pki"
    with exclusive(folder):
        made = {name: _in_use(folder, name, lifetime_days, passphrase) for name in AUTHORITIES}
        account = _service_account_key_in_use(folder, passphrase)
    return Authorities(folder, made["cluster"], made["etcd"], made["front-proxy"], account)


def is_complete(state_directory: Path) -> bool:
    """Whether `open_authorities` would find everything, and make nothing."""
    stems = [stem for _, stem in AUTHORITIES.values()]
    names = [f"{stem}{ending}" for stem in stems for ending in (".key", ".crt")]
    return all((state_directory / "pki" / name).exists() for name in [*names, "sa.key", "sa.pub"])


def load_certificates(state_directory: Path) -> dict[str, x509.Certificate]:
    """The certificates of the authorities that sign, without their keys: needs no passphrase, makes nothing."""
    found = {}
    folder = state_directory / "pki"
    rotation = load_rotation(folder)
    for name, (_, stem) in AUTHORITIES.items():
        changed = name in rotation and rotation[name].step is not Step.TRUST_BOTH
        path = (folder / NEXT if changed else folder) / f"{stem}.crt"
        if path.exists():
            found[name] = load_chain(path)[0]
    return found


def open_next(folder: Path, name: str, *, lifetime_days: int, passphrase: str | None) -> None:
    """Make the authority, or the service-account key, that follows the present one, where that was not yet done."""
    if name == SERVICE_ACCOUNT:
        _open_service_account_key(folder / NEXT, passphrase)
    else:
        _open_authority(folder / NEXT, name, lifetime_days, passphrase, folder)


def _in_use(folder: Path, name: str, lifetime_days: int, passphrase: str | None) -> Authority:
    """The authority that signs, with whoever else is trusted, by the step of its change."""
    progress = load_rotation(folder).get(name)
    # In the last step the present files may be half-way replaced by the new ones: they are not looked at.
    if progress is not None and progress.step is Step.TRUST_NEW:
        return _open_authority(folder / NEXT, name, lifetime_days, passphrase)
    present = _open_authority(folder, name, lifetime_days, passphrase)
    if progress is None:
        return present
    following = _open_authority(folder / NEXT, name, lifetime_days, passphrase)
    signs, other = (present, following) if progress.step is Step.TRUST_BOTH else (following, present)
    return replace(signs, also_trusted=(other.certificate, *other.above))


def _service_account_key_in_use(folder: Path, passphrase: str | None) -> ServiceAccountKey:
    progress = load_rotation(folder).get(SERVICE_ACCOUNT)
    if progress is not None and progress.step is Step.TRUST_NEW:
        return _open_service_account_key(folder / NEXT, passphrase)
    present = _open_service_account_key(folder, passphrase)
    if progress is None:
        return present
    following = _open_service_account_key(folder / NEXT, passphrase)
    signs, other = (present, following) if progress.step is Step.TRUST_BOTH else (following, present)
    return replace(signs, public_pem=signs.public_pem + other.public_pem)


def _open_authority(
    place: Path, name: str, lifetime_days: int, passphrase: str | None, external: Path | None = None
) -> Authority:
    """Args: ``external``: beside which folder one may lie ready that somebody else has signed; None: ``place``."""
    common_name, stem = AUTHORITIES[name]
    key_path, certificate_path = place / f"{stem}.key", place / f"{stem}.crt"
    if not certificate_path.exists() and take(external or place, name, place) and external is None:
        forget(place, name)
    if key_path.exists():
        key = load_private_key(key_path, passphrase)
    elif certificate_path.exists():
        raise PkiError(f"{key_path} is missing, but {certificate_path} is there: restore the key from a backup")
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(key_path, private_pem(key, passphrase))
    # A key without a certificate is the trace of a crash: no one can have seen a certificate that was never written.
    if not certificate_path.exists():
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise PkiError(f"{key_path} is there without {certificate_path}: restore both from one backup")
        write_private(certificate_path, pem_of([_certify_itself(key, common_name, lifetime_days)]))
    certificate, *above = load_chain(certificate_path)
    if certificate.public_key() != key.public_key():
        raise PkiError(f"{key_path} does not belong to {certificate_path}: restore both from one backup")
    return Authority(name, certificate, key, certificate_path, tuple(above))


def _certify_itself(key: ec.EllipticCurvePrivateKey, common_name: str, lifetime_days: int) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=lifetime_days))
        .add_extension(AUTHORITY_CONSTRAINTS, critical=True)
        .add_extension(AUTHORITY_USAGE, critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )


def _open_service_account_key(folder: Path, passphrase: str | None) -> ServiceAccountKey:
    path = folder / "sa.key"
    if path.exists():
        key = load_private_key(path, passphrase)
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=_SERVICE_ACCOUNT_KEY_SIZE)
        write_private(path, private_pem(key, passphrase))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_path = folder / "sa.pub"
    if not public_path.exists() or public_path.read_bytes() != public:
        write_private(public_path, public)
    return ServiceAccountKey(private_pem(key), public)


__all__ = [
    "AUTHORITIES",
    "BACKDATE",
    "Authorities",
    "Authority",
    "ServiceAccountKey",
    "is_complete",
    "load_certificates",
    "load_private_key",
    "open_authorities",
    "open_next",
    "private_pem",
]
