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

from kprov.kube.apiserver.authentication.certificates import issued_by

Chain = Callable[[], Sequence[bytes]]
"""The certificates by which TLS verified a client's, its own first; asked for only where it is needed."""

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
        self.replace(certificates)

    def replace(self, certificates: tuple[bytes, ...]) -> None:
        """Trust these from now on, and no others. Raises ValueError where one is no certificate in PEM form."""
        read = frozenset(ssl.PEM_cert_to_DER_cert(each.decode("ascii").strip()) for each in certificates)
        if not all(each.startswith(b"\x30") for each in read):  # what is not base64 is skipped, not refused
            raise ValueError("an authority's certificate is damaged")
        self._der, self.certificates = read, certificates

    def vouch_for(self, der: bytes, chain: Chain = tuple) -> bool:
        """Whether a client's certificate leads to one of them.

        Args:
            der: the certificate, which TLS has verified for one authority or another.
            chain: tells how TLS verified it; not asked where one of these authorities signed it directly.
        """
        if issued_by(der, self.certificates):
            return True
        return any(each in self._der or issued_by(each, self.certificates) for each in chain())
