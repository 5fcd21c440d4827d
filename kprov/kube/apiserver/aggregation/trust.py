"""TLS to other API servers: whom this one trusts, and the certificate by which they trust what it says of users."""

from __future__ import annotations

import base64
import binascii
import ssl
from pathlib import Path

from kprov.kube.api.authorities import trust_each


class Untrusted(Exception):
    """An APIService's caBundle, or this server's own certificate, cannot be used."""


class ProxyTLS:
    """Makes contexts of the files as they are now.

    Args:
        certificate: --proxy-client-cert-file, or nothing.
        key: --proxy-client-key-file.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._files = [path for path in (certificate, key) if path]
        self._made: dict[tuple[str, bool], ssl.SSLContext] = {}
        self._read_at: tuple[int, ...] = ()

    def context(self, bundle: str, *, insecure: bool) -> ssl.SSLContext:
        """A context that trusts a bundle (PEM in base64; the machine's own authorities without one), or anybody.

        Raises:
            Untrusted: the bundle is none, or the certificate cannot be read.
        """
        try:
            stamp = tuple(Path(path).stat().st_mtime_ns for path in self._files)
            if stamp != self._read_at:
                self._made.clear()
                self._read_at = stamp
            found = self._made.get((bundle, insecure))
            if found is None:
                found = self._made[bundle, insecure] = self._make(bundle, insecure)
        except OSError as error:  # ssl.SSLError too
            raise Untrusted(f"the certificate for other API servers cannot be used: {error}") from None
        return found

    def _make(self, bundle: str, insecure: bool) -> ssl.SSLContext:
        try:
            known = base64.b64decode(bundle).decode() if bundle else None
            context = trust_each(ssl.create_default_context(cadata=known))
        except (binascii.Error, ValueError, ssl.SSLError):
            raise Untrusted("unable to load root certificates: the caBundle is no certificate in PEM") from None
        if insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._files:
            context.load_cert_chain(*self._files)
        return context
