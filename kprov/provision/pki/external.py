"""Authorities that somebody else has signed, laid ready: by a request that is signed elsewhere, or with their key.

They lie in a folder of their own, ``pki/external``. The first `kprov up` of a cluster takes them from there, later
`kprov certs rotate-ca` does; until then nobody signs with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kprov.provision.pki.authority_names import AUTHORITIES
from kprov.provision.pki.chain import (
    AUTHORITY_CONSTRAINTS,
    AUTHORITY_USAGE,
    Chain,
    check_chain,
    load_chain,
    load_given,
    pem_of,
)
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.files import exclusive, write_private
from kprov.provision.pki.private_keys import PrivateKey, load_private_key, private_pem
from kprov.provision.pki.rotation import load_rotation

EXTERNAL = "external"
"""The folder, beside the present ones."""
_UNDER_WAY = "the authority {name} is being changed already: `kprov certs rotate-ca` brings that to its end first"


def key_path(folder: Path, name: str) -> Path:
    """Of one that is laid ready."""
    return folder / EXTERNAL / f"{AUTHORITIES[name][1]}.key"


def chain_path(folder: Path, name: str) -> Path:
    """Its certificate with those above it; not there until it was imported."""
    return key_path(folder, name).with_suffix(".crt")


def request_path(folder: Path, name: str) -> Path:
    """The request that is to be signed elsewhere."""
    return key_path(folder, name).with_suffix(".csr")


def is_ready(folder: Path, name: str) -> bool:
    """Whether it can be taken."""
    return key_path(folder, name).exists() and chain_path(folder, name).exists()


def is_awaited(folder: Path, name: str) -> bool:
    """Whether its request has been written, and what was signed has not been imported."""
    return key_path(folder, name).exists() and not chain_path(folder, name).exists()


def refuse_awaited(folder: Path, name: str) -> None:
    """Nothing is made in place of what somebody signs elsewhere.

    Raises:
        PkiError: the request has not come back.
    """
    if is_awaited(folder, name):
        request = request_path(folder, name)
        raise PkiError(
            f"the authority {name} is being signed elsewhere: have {request} signed, then `kprov certs import FILE`. "
            f"To have kprov make an authority of its own instead: `kprov certs request --authority {name} --withdraw`"
        )


def write_requests(state_directory: Path, names: Iterable[str], *, passphrase: str | None) -> dict[str, Path]:
    """Make keys, which stay here, and the requests for them. One that was made already is written as it was.

    Args: ``passphrase`` seals the keys, where there is one.

    Returns: by authority, the request's file.

    Raises:
        SealedError, PkiError: a change of the authority is under way, or what was signed lies here already.
    """
    folder = state_directory / "pki"
    written = {}
    with exclusive(folder):
        for name in names:
            if name in load_rotation(folder):
                raise PkiError(
                    f"the authority {name} is being changed already: `kprov certs rotate-ca` ends that first"
                )
            if is_ready(folder, name):
                raise PkiError(
                    f"the authority {name} was signed and imported ({chain_path(folder, name)}), and not yet taken: "
                    "`kprov up` or `kprov certs rotate-ca` does. To have done with it: `kprov certs request --authority"
                    f" {name} --withdraw`"
                )
            path = key_path(folder, name)
            if path.exists():
                key = load_private_key(path, passphrase)
            else:
                forget(folder, name)
                key = ec.generate_private_key(ec.SECP256R1())
                write_private(path, private_pem(key, passphrase))
            request = request_path(folder, name)
            if not request.exists() or not _is_for(request, key):
                write_private(request, _request(key, AUTHORITIES[name][0]))
            written[name] = request
    return written


def withdraw(state_directory: Path, names: Iterable[str]) -> list[Path]:
    """Take away what was laid ready, its key too. Returns: the files."""
    folder = state_directory / "pki"
    with exclusive(folder):
        return [path for name in names for path in forget(folder, name)]


def import_signed(state_directory: Path, file: Path, *, passphrase: str | None) -> str:
    """Take in what was made of one of the requests: the certificate with those above it. Returns: the authority.

    Raises:
        PkiError: it belongs to no request, or no cluster can be built on it. SealedError.
    """
    folder = state_directory / "pki"
    chain = load_given(file)
    with exclusive(folder):
        asked = [name for name in AUTHORITIES if key_path(folder, name).exists()]  # also what came back already
        for name in asked:
            if load_private_key(key_path(folder, name), passphrase).public_key() == chain[0].public_key():
                break
        else:
            listed = ", ".join(str(request_path(folder, name)) for name in asked) or "none: `kprov certs request`"
            raise PkiError(
                f"{file}: {chain[0].subject.rfc4514_string()} was not made of a request of this cluster (there are: "
                f"{listed}). Who was signed comes first in the file; one that has a key already: `kprov certs import "
                "--authority NAME --key FILE`"
            )
        _lay_ready(folder, name, chain, file)
    return name


def import_with_key(state_directory: Path, name: str, file: Path, key_file: Path, *, passphrase: str | None) -> None:
    """Take in an authority whose key somebody else made. What was laid ready before is replaced.

    Args: ``passphrase`` opens the key where it is sealed, and it stays sealed then.

    Raises:
        PkiError: the key is another's, or no cluster can be built on it. SealedError.
    """
    folder = state_directory / "pki"
    chain = load_given(file)
    try:
        sealed = b"ENCRYPTED" in key_file.read_bytes()
    except OSError as error:
        raise PkiError(f"{key_file} can't be read: {error.strerror}") from None
    key = load_private_key(key_file, passphrase)
    if key.public_key() != chain[0].public_key():
        raise PkiError(
            f"{key_file} is not the key of {chain[0].subject.rfc4514_string()}, the first certificate in {file}: "
            "who signs comes first"
        )
    check_chain(chain, str(file))
    with exclusive(folder):
        if name in load_rotation(folder):
            raise PkiError(_UNDER_WAY.format(name=name))
        _refuse_shared(folder, name, chain[0], file)
        forget(folder, name)
        write_private(key_path(folder, name), private_pem(key, passphrase if sealed else None))
        _lay_ready(folder, name, chain, file)


def take(folder: Path, name: str, into: Path) -> bool:
    """Lay it where it signs from: the key, then the certificate. Cut off, the next call goes on.

    Args: ``into``: the folder of those that sign, or of those that follow.

    Returns: whether there was one. It is still there until `forget`.

    Raises:
        PkiError: its request has not come back, or it can't be used any more.
    """
    refuse_awaited(folder, name)
    if not is_ready(folder, name):
        return False
    stem = AUTHORITIES[name][1]
    key, present = key_path(folder, name).read_bytes(), into / f"{stem}.key"
    if present.exists() and present.read_bytes() != key:
        raise PkiError(f"{present} is there without its certificate, and may be in use: move it away, or restore both")
    check_chain(load_chain(chain_path(folder, name)), str(chain_path(folder, name)))
    write_private(present, key)
    write_private(into / f"{stem}.crt", chain_path(folder, name).read_bytes())
    return True


def forget(folder: Path, name: str) -> list[Path]:
    """What lies ready has been taken, or is not wanted. Returns: the files that went."""
    # The key goes first: without it the others mean nothing.
    paths = [key_path(folder, name), request_path(folder, name), chain_path(folder, name)]
    found = [path for path in paths if path.exists()]
    for path in found:
        path.unlink()
    for place in (folder / EXTERNAL / "etcd", folder / EXTERNAL):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    return found


def _lay_ready(folder: Path, name: str, chain: Chain, file: Path) -> None:
    check_chain(chain, str(file))
    _refuse_shared(folder, name, chain[0], file)
    write_private(chain_path(folder, name), pem_of(chain))


def _refuse_shared(folder: Path, name: str, certificate: x509.Certificate, file: Path) -> None:
    """One key for two authorities: whom one certifies, the other's servers would believe."""
    for other, (_, stem) in AUTHORITIES.items():
        for place in (folder, folder / EXTERNAL):
            path = place / f"{stem}.crt"
            if other != name and path.exists() and load_chain(path)[0].public_key() == certificate.public_key():
                raise PkiError(
                    f"{file}: {certificate.subject.rfc4514_string()} is the authority {other} already. Each needs a "
                    "key of its own: who has a certificate of one must not be believed by the others"
                )


def _is_for(request: Path, key: PrivateKey) -> bool:
    try:
        return x509.load_pem_x509_csr(request.read_bytes()).public_key() == key.public_key()
    except ValueError:
        return False


def _request(key: PrivateKey, common_name: str) -> bytes:
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .add_extension(AUTHORITY_CONSTRAINTS, critical=True)
        .add_extension(AUTHORITY_USAGE, critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
