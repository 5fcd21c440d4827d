"""The providers of an EncryptionConfiguration: each seals with one key and says which values are its own.

The formats are upstream's (k8s.io/apiserver/pkg/storage/value/encrypt), so that either server reads what the other
wrote. A sealed value begins with ``k8s:enc:PROVIDER:v1:KEY:``.
"""

from __future__ import annotations

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BLOCK = 16
_GCM_NONCE = 12


class CannotOpen(Exception):
    """A sealed value is damaged, or was sealed with another key of the same name."""


class Provider(Protocol):
    """Seals and opens values."""

    prefix: bytes
    """What every value that it sealed begins with."""

    def seal(self, value: bytes, key: bytes) -> bytes:
        """The sealed value, prefix included, for the etcd key that it will lie under."""

    def open(self, sealed: bytes, key: bytes) -> bytes:
        """The value. ``sealed`` begins with the prefix. Raises CannotOpen."""


class Identity:
    """Values as they are."""

    prefix = b""

    def seal(self, value: bytes, key: bytes) -> bytes:
        """The value itself."""
        return value

    def open(self, sealed: bytes, key: bytes) -> bytes:
        """The value itself; one that somebody sealed is not for this provider."""
        if sealed.startswith(b"k8s:enc:"):
            raise CannotOpen("it is sealed, and no provider of the configuration has its key")
        return sealed


class AesCbc:
    """AES in CBC mode with PKCS #7 padding: a random initial block, then the ciphertext."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = f"k8s:enc:aescbc:v1:{name}:".encode()
        self._key = algorithms.AES(secret)

    def seal(self, value: bytes, key: bytes) -> bytes:
        """See Provider."""
        first = os.urandom(_BLOCK)
        padder = padding.PKCS7(_BLOCK * 8).padder()
        encryptor = Cipher(self._key, modes.CBC(first)).encryptor()
        return self.prefix + first + encryptor.update(padder.update(value) + padder.finalize()) + encryptor.finalize()

    def open(self, sealed: bytes, key: bytes) -> bytes:
        """See Provider."""
        body = sealed[len(self.prefix) :]
        if len(body) < 2 * _BLOCK or len(body) % _BLOCK:
            raise CannotOpen("its length is not that of a value sealed by aescbc")
        decryptor = Cipher(self._key, modes.CBC(body[:_BLOCK])).decryptor()
        unpadder = padding.PKCS7(_BLOCK * 8).unpadder()
        try:
            return unpadder.update(decryptor.update(body[_BLOCK:]) + decryptor.finalize()) + unpadder.finalize()
        except ValueError:
            raise CannotOpen("it was sealed with another key, or is damaged") from None


class AesGcm:
    """AES in GCM mode: a random nonce, then ciphertext and tag; bound to the etcd key that the value lies under."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = f"k8s:enc:aesgcm:v1:{name}:".encode()
        self._cipher = AESGCM(secret)

    def seal(self, value: bytes, key: bytes) -> bytes:
        """See Provider."""
        nonce = os.urandom(_GCM_NONCE)
        return self.prefix + nonce + self._cipher.encrypt(nonce, value, key)

    def open(self, sealed: bytes, key: bytes) -> bytes:
        """See Provider."""
        body = sealed[len(self.prefix) :]
        if len(body) < _GCM_NONCE + 16:
            raise CannotOpen("it is too short for a value sealed by aesgcm")
        try:
            return self._cipher.decrypt(body[:_GCM_NONCE], body[_GCM_NONCE:], key)
        except InvalidTag:
            raise CannotOpen("it was sealed with another key or for another object, or is damaged") from None


class SecretBox:
    """NaCl's secretbox (XSalsa20 and Poly1305): a random nonce, then tag and ciphertext."""

    def __init__(self, name: str, secret: bytes) -> None:
        from nacl.secret import SecretBox as Box  # most clusters never need it

        self.prefix = f"k8s:enc:secretbox:v1:{name}:".encode()
        self._box = Box(secret)

    def seal(self, value: bytes, key: bytes) -> bytes:
        """See Provider."""
        return self.prefix + bytes(self._box.encrypt(value))

    def open(self, sealed: bytes, key: bytes) -> bytes:
        """See Provider."""
        from nacl.exceptions import CryptoError

        try:
            return bytes(self._box.decrypt(sealed[len(self.prefix) :]))
        except (CryptoError, ValueError):
            raise CannotOpen("it was sealed with another key, or is damaged") from None
