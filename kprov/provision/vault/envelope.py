"""The form of a vault: a line that says what it is, then lines of hexadecimal digits.

Source: Ansible's user guide, "Format of files encrypted with Ansible Vault": versions 1.1 (no id) and 1.2 (with a
vault id), cipher AES256; the digits stand for three more rows of digits: the salt, the HMAC and the ciphertext.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

HEADER = b"$ANSIBLE_VAULT"
CIPHER = "AES256"
DEFAULT_ID = "default"
_WIDTH = 80


class VaultError(Exception):
    """A vault that can't be opened or written: what is wrong, and what to do about it.

    Args:
        reason: what is wrong.
        suggestion: what to do.
        file: which file (and line) is meant, where the one who raises it knows.
    """

    exit_code = 2

    def __init__(self, reason: str, suggestion: str | None = None, file: str = "") -> None:
        self.reason = reason
        self.suggestion = suggestion
        self.file = file
        text = f"{file}: {reason}" if file else reason
        super().__init__(f"{text}\n    {suggestion}" if suggestion else text)

    def at(self, file: str) -> VaultError:
        """The same, said of ``file``."""
        return VaultError(self.reason, self.suggestion, file)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a vault holds, still encrypted."""

    salt: bytes
    hmac: bytes
    ciphertext: bytes
    vault_id: str = DEFAULT_ID


def is_encrypted(data: bytes) -> bool:
    """Whether ``data`` begins as a vault does."""
    return data.startswith(HEADER)


def parse(data: bytes) -> Envelope:
    """Take a vault apart. Raises VaultError where it is damaged or of a kind that is not known."""
    first, *rest = data.splitlines() or [b""]
    words = [word.strip() for word in first.strip().split(b";")]
    if words[0] != HEADER or len(words) < 3:
        raise VaultError(
            "is no vault: its first line must be $ANSIBLE_VAULT;1.1;AES256 or $ANSIBLE_VAULT;1.2;AES256;ID"
        )
    version, cipher = (word.decode("ascii", "replace") for word in words[1:3])
    if version not in ("1.1", "1.2"):
        raise VaultError(
            f"is a vault of format {version}; 1.1 and 1.2 are known",
            "encrypt it anew with a newer ansible-vault" if version == "1.0" else None,
        )
    if cipher != CIPHER:
        raise VaultError(f"is a vault with the cipher {cipher}; only {CIPHER} is known")
    vault_id = words[3].decode("utf-8", "replace") if len(words) > 3 and words[3] else DEFAULT_ID
    try:
        salt, hmac, ciphertext = binascii.unhexlify(b"".join(line.strip() for line in rest)).split(b"\n", 2)
        parts = Envelope(binascii.unhexlify(salt), binascii.unhexlify(hmac), binascii.unhexlify(ciphertext), vault_id)
    except (binascii.Error, ValueError):
        raise VaultError(
            "is a damaged vault: what follows its first line is not what a vault holds", "take it from a backup"
        ) from None
    return parts


def render(envelope: Envelope) -> bytes:
    """The text of a vault; 1.2 where it has an id, as Ansible writes it."""
    words = [HEADER, b"1.1", CIPHER.encode()]
    if envelope.vault_id != DEFAULT_ID:
        words[1:] = [b"1.2", CIPHER.encode(), check_id(envelope.vault_id).encode()]
    body = binascii.hexlify(
        b"\n".join(binascii.hexlify(part) for part in (envelope.salt, envelope.hmac, envelope.ciphertext))
    )
    lines = [b";".join(words), *(body[start : start + _WIDTH] for start in range(0, len(body), _WIDTH))]
    return b"\n".join(lines) + b"\n"


def check_id(vault_id: str) -> str:
    """A vault id that can be written into a vault's first line. Raises VaultError."""
    if not re.fullmatch(r"[!-:<-?A-~]+", vault_id):  # printable ASCII, as Ansible wants all of a vault to be
        raise VaultError(f"{vault_id!r} can't be a vault id: it must be letters of ASCII, without spaces, ; and @")
    return vault_id
