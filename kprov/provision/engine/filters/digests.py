"""Checksums, and passwords as /etc/shadow keeps them."""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import secrets
import string
from collections.abc import Callable
from typing import Any

from jinja2.exceptions import FilterArgumentError

_ALPHABET = string.ascii_letters + string.digits + "./"

# Kind -> prefix, longest salt, the rounds where none are given. Source: crypt(5).
_KINDS = {
    "md5": ("$1$", 8, None),
    "sha256": ("$5$", 16, 535000),
    "sha512": ("$6$", 16, 656000),
}


def _hash(value: Any, hashtype: str = "sha1") -> str:
    try:
        return hashlib.new(hashtype, str(value).encode()).hexdigest()
    except ValueError:
        raise FilterArgumentError(f"hash: there is no kind '{hashtype}'") from None


def _password_hash(
    password: Any,
    hashtype: str = "sha512",
    salt: Any = None,
    salt_size: Any = None,
    rounds: Any = None,
    ident: Any = None,
) -> str:
    if hashtype not in _KINDS:
        raise FilterArgumentError(f"password_hash: the kind must be one of {', '.join(_KINDS)}, not {hashtype}")
    prefix, longest, usual = _KINDS[hashtype]
    length = min(int(salt_size), longest) if salt_size else longest
    chosen = str(salt) if salt else "".join(secrets.choice(_ALPHABET) for _ in range(length))
    count = rounds if rounds is not None else usual
    # Without a salt Ansible asks passlib, whose rounds these are; with 5000, the system's own, none are written.
    written = f"rounds={count}$" if count and int(count) != 5000 else ""
    return _crypt(str(password), f"{prefix}{written}{chosen}")


def _crypt(password: str, setting: str) -> str:
    name = ctypes.util.find_library("crypt")
    if name is None:
        raise FilterArgumentError("password_hash needs libcrypt on the controller: install libcrypt1")
    function = ctypes.CDLL(name).crypt
    function.restype = ctypes.c_char_p
    found = function(password.encode(), setting.encode())
    if not found or found.startswith(b"*"):
        raise FilterArgumentError("password_hash: the system's libcrypt refuses this kind or salt")
    return str(found.decode())


FILTERS: dict[str, Callable[..., Any]] = {
    "checksum": lambda value: _hash(value, "sha1"),
    "hash": _hash,
    "md5": lambda value: _hash(value, "md5"),
    "password_hash": _password_hash,
    "sha1": lambda value: _hash(value, "sha1"),
}
