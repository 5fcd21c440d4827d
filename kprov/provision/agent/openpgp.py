"""OpenPGP public keys, as far as package sources need them: out of their armour, and by their fingerprints.

Source: RFC 4880 (packet headers, ASCII armour, version 4 fingerprints).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

_ARMOUR = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)


def is_armoured(data: bytes) -> bool:
    """Whether it is a key as text."""
    return b"-----BEGIN PGP PUBLIC KEY BLOCK-----" in data


def binary(data: bytes) -> bytes:
    """A key without its armour.

    Raises:
        ValueError: it is no key.
    """
    if not is_armoured(data):
        return data
    found = b""
    for body in _ARMOUR.findall(data):
        lines = body.replace(b"\r", b"").split(b"\n")
        while lines and lines[0].strip():  # headers, such as Version:
            if b":" not in lines[0]:
                break
            lines.pop(0)
        text = b"".join(line for line in lines if line and not line.startswith(b"="))
        found += base64.b64decode(text)
    if not found:
        raise ValueError("it is no OpenPGP public key")
    return found


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each packet's tag and body."""
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise ValueError("it is no OpenPGP public key")
        if head & 0x40:
            tag, first = head & 0x3F, data[at + 1]
            if first < 192:
                length, start = first, at + 2
            elif first < 224:
                length, start = ((first - 192) << 8) + data[at + 2] + 192, at + 3
            elif first == 255:
                length, start = int.from_bytes(data[at + 2 : at + 6], "big"), at + 6
            else:
                raise ValueError("a packet of unknown length has no place in a public key")
        else:
            tag, kind = head >> 2 & 0x0F, head & 3
            if kind == 3:
                raise ValueError("a packet of unknown length has no place in a public key")
            size = 1 << kind
            length, start = int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
        yield tag, data[start : start + length]
        at = start + length


def fingerprints(data: bytes) -> list[str]:
    """The fingerprints of the keys and subkeys in a key file, in capitals; the first is the main key's.

    Raises:
        ValueError: it is no key.
    """
    found: list[str] = []
    try:
        for tag, body in _packets(binary(data)):
            if tag in (6, 14) and body[:1] == b"\x04":
                whole = b"\x99" + len(body).to_bytes(2, "big") + body
                found.append(hashlib.sha1(whole, usedforsecurity=False).hexdigest().upper())
    except IndexError:
        raise ValueError("it is cut off") from None
    if not found:
        raise ValueError("it is no OpenPGP public key")
    return found
