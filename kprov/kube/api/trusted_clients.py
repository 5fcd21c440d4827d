"""Clients of a daemon that show a certificate: whom --client-ca-file vouches for now, not when the daemon started."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kprov.kube.api.client_authorities import Authorities, certificates_in
from kprov.kube.api.peer import peer_certificate, peer_chain


class TrustedClients:
    """Whom a file of authorities vouches for.

    Args:
        path: the file, with their certificates in PEM form. Nobody is trusted before it is read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._authorities = Authorities()

    def read(self) -> None:
        """Trust whom the file names by now. Raises OSError or ssl.SSLError, and trusts whom it trusted before."""
        found = certificates_in(Path(self.path).read_bytes())
        if not found:
            raise ssl.SSLError(f"{self.path} holds no certificate")
        try:
            self._authorities.replace(found)
        except ValueError as error:
            raise ssl.SSLError(f"{self.path}: {error}") from error

    def certificate(self, transport: asyncio.BaseTransport | None) -> tuple[Mapping[str, Any] | None, bool]:
        """The certificate of a connection's client, which the handshake has verified, and whether it still counts.

        It does while the authority that vouches for it is in the file, and while it has not come to its end.

        Returns:
            The certificate as ``getpeercert`` gives it, or None where the client showed none; and whether it counts.
        """
        own = peer_certificate(transport)
        peer: Mapping[str, Any] | None = transport.get_extra_info("peercert") if transport is not None else None
        if own is None or not peer:
            return None, False
        if ssl.cert_time_to_seconds(peer["notAfter"]) < time.time():
            return peer, False
        return peer, self._authorities.vouch_for(own, partial(peer_chain, transport))
