"""Encrypts and decrypts as Ansible Vault does: PBKDF2, AES-256 in counter mode, HMAC-SHA256 over the ciphertext.

Source: Ansible's user guide, "Ansible Vault payload format 1.1 - 1.2". Everything that is cryptography comes from the
library ``cryptography``; this file says only in which order.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7

from kprov.provision.vault.envelope import DEFAULT_ID, Envelope

_ITERATIONS = 10_000
_KEY, _COUNTER, _SALT = 32, 16, 32
_BLOCK_BITS = 128


class WrongPassword(Exception):
    """The HMAC does not fit: another password, or another ciphertext."""


def seal(plaintext: bytes, password: bytes, vault_id: str = DEFAULT_ID) -> Envelope:
    """Encrypt under a salt of its own."""
    salt = os.urandom(_SALT)
    key, hmac_key, counter = _keys(password, salt)
    padder = PKCS7(_BLOCK_BITS).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    padded = padder.update(plaintext) + padder.finalize()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    return Envelope(salt, _hmac(hmac_key, ciphertext).finalize(), ciphertext, vault_id)


def unseal(envelope: Envelope, password: bytes) -> bytes:
    """Decrypt. Raises WrongPassword; nothing is decrypted that was not verified first."""
    key, hmac_key, counter = _keys(password, envelope.salt)
    try:
        _hmac(hmac_key, envelope.ciphertext).verify(envelope.hmac)  # in constant time
    except InvalidSignature:
        raise WrongPassword from None
    decryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).decryptor()
    unpadder = PKCS7(_BLOCK_BITS).unpadder()
    padded = decryptor.update(envelope.ciphertext) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _keys(password: bytes, salt: bytes) -> tuple[bytes, bytes, bytes]:
    derived = PBKDF2HMAC(hashes.SHA256(), 2 * _KEY + _COUNTER, salt, _ITERATIONS).derive(password)
    return derived[:_KEY], derived[_KEY : 2 * _KEY], derived[2 * _KEY :]


def _hmac(key: bytes, ciphertext: bytes) -> hmac.HMAC:
    signer = hmac.HMAC(key, hashes.SHA256())
    signer.update(ciphertext)
    return signer
