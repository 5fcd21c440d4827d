"""One authority follows another, or one service-account key: begun, led from step to step, ended.

What a step asks of the machines is not done here. The present key stays as it is, sealed or not, until the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from kprov.provision.pki.authority import AUTHORITIES, open_next
from kprov.provision.pki.chain import load_chain
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.external import forget, is_ready, refuse_awaited
from kprov.provision.pki.files import exclusive, write_private
from kprov.provision.pki.rotation import NEXT, SERVICE_ACCOUNT, Progress, Step, load_rotation, save_rotation


def files_of(name: str) -> tuple[str, str]:
    """Of an authority, or of the service-account key: its private and its public file, below ``pki``."""
    if name == SERVICE_ACCOUNT:
        return "sa.key", "sa.pub"
    stem = AUTHORITIES[name][1]
    return f"{stem}.key", f"{stem}.crt"


def begin(
    state_directory: Path, names: Iterable[str], *, lifetime_days: int, passphrase: str | None, own: bool = False
) -> None:
    """Make those that follow, or take those that lie ready. Nobody signs with them yet.

    What is under way already is left as it is.

    Args: ``own``: kprov makes its own, though somebody else has signed the present ones.

    Raises: SealedError, PkiError.
    """
    folder = state_directory / "pki"
    with exclusive(folder):
        progress = load_rotation(folder)
        _clear(folder, progress)  # of a change that was cut off right at its end: it must not be taken for new
        for name in progress.keys() & AUTHORITIES.keys():
            forget(folder, name)  # it has been taken
        for name in names:
            if name in progress:
                continue
            if name in AUTHORITIES:
                _refuse_without_successor(folder, name, own=own)
            key = (folder / files_of(name)[0]).read_bytes()
            # As the present one is sealed or not, so is the one that follows.
            seal = passphrase if b"ENCRYPTED" in key or (name in AUTHORITIES and is_ready(folder, name)) else None
            open_next(folder, name, lifetime_days=lifetime_days, passphrase=seal)
            progress[name] = Progress(Step.TRUST_BOTH)
        save_rotation(folder, progress)
        for name in progress.keys() & AUTHORITIES.keys():
            forget(folder, name)


def _refuse_without_successor(folder: Path, name: str, *, own: bool) -> None:
    """An authority that somebody else has signed is not followed by one that nobody has, unless that is meant."""
    refuse_awaited(folder, name)
    if own or is_ready(folder, name):
        return
    _, *above = load_chain(folder / files_of(name)[1])
    if above:
        raise PkiError(
            f"the authority {name} was signed by {above[0].subject.rfc4514_string()}, and none that could follow it "
            f"lies ready: `kprov certs request --authority {name}`, have that signed, `kprov certs import FILE`, and "
            "run the same command again; or name another in the inventory; or let kprov make its own: --self-signed"
        )


def mark_done(state_directory: Path, names: Iterable[str]) -> None:
    """Everybody has made the step that these are at."""
    folder = state_directory / "pki"
    with exclusive(folder):
        progress = load_rotation(folder)
        for name in names:
            if not progress[name].done:
                progress[name] = Progress(progress[name].step, done=True)
        save_rotation(folder, progress)


def advance(state_directory: Path, names: Iterable[str]) -> None:
    """Begin the next step.

    Raises:
        PkiError: not everybody has made the one before.
    """
    folder = state_directory / "pki"
    with exclusive(folder):
        progress = load_rotation(folder)
        for name in names:
            following = progress[name].step.next
            if not progress[name].done or following is None:
                raise PkiError(f"{name}: the step {progress[name].step} is not at its end")
            progress[name] = Progress(following)
        save_rotation(folder, progress)


def finish(state_directory: Path, names: Iterable[str]) -> None:
    """The new ones take the place of the old ones, which are gone for good.

    Raises:
        PkiError: somebody may still trust an old one.
    """
    folder = state_directory / "pki"
    names = list(names)
    with exclusive(folder):
        progress = load_rotation(folder)
        for name in names:
            if progress[name] != replace(progress[name], step=Step.TRUST_NEW, done=True):
                raise PkiError(f"{name}: not everybody trusts the new one alone")
            for file in files_of(name):
                write_private(folder / file, (folder / NEXT / file).read_bytes())
            del progress[name]
        save_rotation(folder, progress)
        _clear(folder, progress)


def _clear(folder: Path, progress: dict[str, Progress]) -> None:
    """What followed, and has taken its place, is not kept twice."""
    for name in (*AUTHORITIES, SERVICE_ACCOUNT):
        if name not in progress:
            for file in files_of(name):
                (folder / NEXT / file).unlink(missing_ok=True)
    for place in (folder / NEXT / "etcd", folder / NEXT):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def both_certificates(state_directory: Path, name: str) -> tuple[x509.Certificate, x509.Certificate]:
    """Of an authority that is being changed: the old certificate and the new one."""
    folder = state_directory / "pki"
    file = files_of(name)[1]
    old, new = (load_chain(place / file)[0] for place in (folder, folder / NEXT))
    return old, new
