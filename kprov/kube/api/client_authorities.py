"""Authorities whose certificates clients may show: as they are now, whatever they were when a connection began.

Upstream verifies a client's certificate anew with each request (k8s.io/apiserver/pkg/authentication/request/x509), so
what an authority that is trusted no longer has signed names nobody from then on, on open connections too. The handshake
has done the most of that here: signatures, validity and purposes along the chain. What can have changed since is asked
again: whether the chain still ends in an authority that is trusted, and whether the certificate has come to its end.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache

Chain = Callable[[], Sequence[bytes]]
"""The certificates by which TLS verified a client's, its own first; asked for only where it is needed."""

_REMEMBERED = 512  # certificates that were found to lead to an authority
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


def certificates_in(pem: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM file's content, one by one."""
    return tuple(_PEM.findall(pem))


class Authorities:
    """A set of authorities, which may become another.

    Args:
        certificates: theirs, each in PEM form.
    """

    def __init__(self, certificates: tuple[bytes, ...] = ()) -> None:
        self.certificates: tuple[bytes, ...] = ()
        self._der: frozenset[bytes] = frozenset()
        self._vouched_for: set[bytes] = set()
        self.replace(certificates)

    def replace(self, certificates: tuple[bytes, ...]) -> None:
        """Trust these from now on, and no others. Raises ValueError where one is no certificate in PEM form."""
        read = frozenset(ssl.PEM_cert_to_DER_cert(each.decode("ascii").strip()) for each in certificates)
        if not all(each.startswith(b"\x30") for each in read):  # what is not base64 is skipped, not refused
            raise ValueError("an authority's certificate is damaged")
        self._der, self.certificates = read, certificates
        self._vouched_for.clear()

    def vouch_for(self, der: bytes, chain: Chain = tuple) -> bool:
        """Whether a client's certificate leads to one of them.

        Args:
            der: the certificate, which TLS has verified for one authority or another.
            chain: tells how TLS verified it.
        """
        if der in self._vouched_for:
            return True
        # An authority that is the chain's end tells it at no cost; one whose certificate was renewed with the same key,
        # or a chain that is not known any more, by a signature.
        links = chain()
        if not (
            any(each in self._der for each in links)
            or issued_by(der, self.certificates)
            or any(issued_by(each, self.certificates) for each in links)
        ):
            return False
        if len(self._vouched_for) >= _REMEMBERED:
            self._vouched_for.clear()
        self._vouched_for.add(der)
        return True


@lru_cache(maxsize=64)
def issued_by(der: bytes, authorities: tuple[bytes, ...]) -> bool:
    """Whether one of these authorities signed a certificate directly (which TLS found valid for one of all of them)."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    certificate = x509.load_der_x509_certificate(der)
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return True
    return False
