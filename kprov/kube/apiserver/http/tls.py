"""The server's side of TLS, with certificates that may be renewed while it runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from pathlib import Path

from kprov.kube.api.cipher_suites import openssl_ciphers
from kprov.kube.apiserver.http.client_authorities import announce_authorities

_log = logging.getLogger(__name__)
_CHECK_SECONDS = 10.0

_VERSIONS = {"": ssl.TLSVersion.TLSv1_2, "VersionTLS12": ssl.TLSVersion.TLSv1_2, "VersionTLS13": ssl.TLSVersion.TLSv1_3}
MIN_VERSIONS = tuple(name for name in _VERSIONS if name)


class ServerTLS:
    """An SSLContext that follows its files.

    Args:
        certificate: the serving certificate's file, in PEM form, with its chain.
        key: its key's file.
        authorities: files of the authorities whose client certificates are taken; client certificates stay optional.
        minimum: upstream's name of the lowest version, or nothing.
        suites: upstream's names of the cipher suites of TLS 1.2; none for those that OpenSSL holds to be strong.

    Raises:
        OSError, ssl.SSLError: a file cannot be used. ValueError: a suite is not known.
    """

    def __init__(
        self,
        certificate: str,
        key: str,
        authorities: Sequence[str] = (),
        minimum: str = "",
        suites: Sequence[str] = (),
    ) -> None:
        self._certificate, self._key = certificate, key
        self._authorities = [path for path in authorities if path]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = _VERSIONS[minimum]
        if suites:
            self.context.set_ciphers(openssl_ciphers(suites))
        self.context.set_alpn_protocols(["http/1.1"])
        self._seen: dict[str, tuple[int, int]] = {}
        self.load()

    def load(self) -> None:
        """Read all files. Raises OSError or ssl.SSLError, naming nothing: the caller says which flag is meant."""
        self.context.load_cert_chain(self._certificate, self._key)
        for path in self._authorities:
            self.context.load_verify_locations(cafile=path)
        if self._authorities:
            self.context.verify_mode = ssl.CERT_OPTIONAL
            announce_authorities(self.context, self._authorities)
        self._seen = self._state()

    def _state(self) -> dict[str, tuple[int, int]]:
        state = {}
        for path in (self._certificate, self._key, *self._authorities):
            found = Path(path).stat()
            state[path] = (found.st_mtime_ns, found.st_ino)
        return state

    async def follow(self) -> None:
        """Load again whenever a file changed; new connections get the new certificate."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                if self._state() != self._seen:
                    self.load()
                    _log.info("the serving certificate was read again from %s", self._certificate)
            except (OSError, ssl.SSLError) as error:  # half written: the next look finds it whole
                _log.warning("the serving certificate cannot be read again: %s", error)
