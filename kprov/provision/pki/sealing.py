"""Seals the authorities' keys with a passphrase, and opens them again."""

from __future__ import annotations

from pathlib import Path

from kprov.provision.pki.authority import AUTHORITIES, load_private_key, private_pem
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.external import EXTERNAL
from kprov.provision.pki.files import exclusive, write_private
from kprov.provision.pki.rotation import NEXT


def key_files(state_directory: Path) -> list[Path]:
    """The files that hold the controller's keys, those that exist."""
    folder = state_directory / "pki"
    names = [*(f"{stem}.key" for _, stem in AUTHORITIES.values()), "sa.key"]
    paths = [place / name for place in (folder, folder / NEXT, folder / EXTERNAL) for name in names]
    return [path for path in paths if path.exists()]


def is_sealed(path: Path) -> bool:
    """Whether a key's file is sealed."""
    return b"ENCRYPTED" in path.read_bytes()


def reseal(state_directory: Path, *, old: str | None, new: str | None) -> list[Path]:
    """Seal every key with ``new`` (None: leave them open), opening them with ``old``.

    All keys are opened before the first is written, so that a wrong passphrase changes nothing.
    Returns the files written. Raises SealedError for a wrong passphrase, PkiError where there are no keys.
    """
    paths = key_files(state_directory)
    if not paths:
        raise PkiError(f"there are no keys in {state_directory / 'pki'}")
    with exclusive(state_directory / "pki"):
        keys = {path: load_private_key(path, old) for path in paths}
        for path, key in keys.items():
            write_private(path, private_pem(key, new))
    return paths
