"""Tells clients whose certificates a server takes, in the TLS handshake.

A client that holds several certificates picks one by these names, and one that asks whether client certificates are
taken at all looks for them. OpenSSL sends the names of the list that ``SSL_CTX_set_client_CA_list`` was given; Python's
ssl module has no word for it (``load_verify_locations`` only says what is believed), so OpenSSL is called directly.
"""

from __future__ import annotations

import _ssl
import ctypes
import functools
import ssl
import sys
from collections.abc import Sequence


@functools.cache
def _openssl() -> ctypes.CDLL | None:
    """The OpenSSL that Python's ssl module itself uses, or nothing where it cannot be had."""
    if sys.implementation.name != "cpython":
        return None
    try:
        # Symbols are looked for in a library and in those that it needs; a built-in module is part of the program.
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        library.SSL_load_client_CA_file.argtypes = [ctypes.c_char_p]
        library.SSL_load_client_CA_file.restype = ctypes.c_void_p
        library.SSL_add_file_cert_subjects_to_stack.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        library.SSL_add_file_cert_subjects_to_stack.restype = ctypes.c_int
        library.SSL_CTX_set_client_CA_list.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.SSL_CTX_set_client_CA_list.restype = None
    except (OSError, AttributeError):
        return None
    return library


def announce_authorities(context: ssl.SSLContext, files: Sequence[str]) -> bool:
    """Send the names of these authorities to clients of new connections, in place of any that were sent before.

    Args:
        context: the server's side of TLS.
        files: the authorities' certificates in PEM form; several may be in a file.

    Returns:
        Whether the names will be sent; without them clients are taken as before, they are only told less.
    """
    library = _openssl()
    if library is None or not files:
        return False
    names = library.SSL_load_client_CA_file(files[0].encode())
    if not names:
        return False
    for path in files[1:]:
        library.SSL_add_file_cert_subjects_to_stack(names, path.encode())
    # CPython keeps the SSL_CTX behind the header that every object has, in every version since 2.7.9.
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    library.SSL_CTX_set_client_CA_list(pointer, names)  # which owns the names from now on
    return True
