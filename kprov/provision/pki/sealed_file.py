"""A file that only a passphrase opens: AES-256-GCM in chunks, the key by scrypt.

Chunks are numbered and the last one is marked (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár), so
that none can be left out, swapped or cut off at the end. Nothing is handed on before it was verified.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from kprov.provision.pki.errors import PkiError, SealedError

MAGIC = b"kprov sealed 1\n"
_SALT, _PREFIX, _TAG = 16, 7, 16
_CHUNK = 1 << 20


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=1 << 15, r=8, p=1).derive(passphrase.encode()))


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + struct.pack(">IB", number, last)


def seal(source: BinaryIO, target: BinaryIO, passphrase: str) -> None:
    """Seal all of a stream. Raises PkiError where there is no passphrase."""
    if not passphrase:
        raise PkiError("what is sealed needs a passphrase")
    salt, prefix = os.urandom(_SALT), os.urandom(_PREFIX)
    cipher, header = _cipher(passphrase, salt), MAGIC + salt + prefix
    target.write(header)
    chunk, number = source.read(_CHUNK), 0
    while True:
        following = source.read(_CHUNK) if len(chunk) == _CHUNK else b""
        last = not following
        target.write(cipher.encrypt(_nonce(prefix, number, last=last), chunk, header))
        if last:
            return
        chunk, number = following, number + 1


def unseal(path: Path, passphrase: str) -> Iterator[bytes]:
    """The content, in verified parts.

    Raises:
        PkiError: it is no such file, or was changed or cut off.
        SealedError: the passphrase is not the right one.
    """
    with path.open("rb") as stream:
        header = stream.read(len(MAGIC) + _SALT + _PREFIX)
        if not header.startswith(MAGIC) or len(header) < len(MAGIC) + _SALT + _PREFIX:
            raise PkiError(f"{path} is no file that kprov sealed")
        salt, prefix = header[len(MAGIC) : -_PREFIX], header[-_PREFIX:]
        cipher = _cipher(passphrase, salt)
        chunk, number = stream.read(_CHUNK + _TAG), 0
        while True:
            following = stream.read(_CHUNK + _TAG) if len(chunk) == _CHUNK + _TAG else b""
            try:
                opened = cipher.decrypt(_nonce(prefix, number, last=not following), chunk, header)
            except InvalidTag:
                if number == 0:
                    raise SealedError(f"{path}: the passphrase is not the right one, or the file was changed") from None
                raise PkiError(f"{path} is damaged or cut off, at about {number} MiB") from None
            yield opened
            if not following:
                return
            chunk, number = following, number + 1
