"""The server's side of TLS, with certificates that may be renewed while it runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from kprov.kube.api.announced_authorities import announce_authorities
from kprov.kube.api.authorities import trust_each

_log = logging.getLogger(__name__)
_CHECK_SECONDS = 2.0

_VERSIONS = {"": ssl.TLSVersion.TLSv1_2, "VersionTLS12": ssl.TLSVersion.TLSv1_2, "VersionTLS13": ssl.TLSVersion.TLSv1_3}
MIN_VERSIONS = tuple(name for name in _VERSIONS if name)


class ServerTLS:
    """An SSLContext that follows its files.

    An SSLContext forgets no authority, so each reading of the files makes a new one, and the one that listens hands
    every new connection to the newest (OpenSSL asks for that also where the client names no server).

    Args:
        certificate: the serving certificate's file, in PEM form, with its chain.
        key: its key's file.
        authorities: files of the authorities whose client certificates are taken; client certificates stay optional.
        minimum: upstream's name of the lowest version, or nothing.
        ciphers: the cipher suites of TLS 1.2 in OpenSSL's words; none for those that it holds to be strong.
        changed: called when files have been read again, with what must follow them too. May raise what ``load`` does.

    Raises:
        OSError, ssl.SSLError: a file cannot be used.
    """

    def __init__(
        self,
        certificate: str,
        key: str,
        authorities: Sequence[str] = (),
        minimum: str = "",
        ciphers: str = "",
        changed: Callable[[], None] | None = None,
    ) -> None:
        self._certificate, self._key = certificate, key
        self._authorities = [path for path in authorities if path]
        self._minimum, self._ciphers = _VERSIONS[minimum], ciphers
        self._seen: dict[str, tuple[int, int]] = {}
        self._changed = changed
        self.load()
        self.context = self._newest  # the one that listens
        self.context.sni_callback = self._hand_over

    def _hand_over(self, connection: ssl.SSLObject, name: str | None, listening: ssl.SSLContext) -> None:
        if self._newest is not listening:
            connection.context = self._newest

    def use(self, certificate: str, key: str) -> None:
        """Serve with another certificate from now on. Raises what ``load`` does, and goes on with the one before."""
        before = self._certificate, self._key
        self._certificate, self._key = certificate, key
        try:
            self._load_again()
        except (OSError, ssl.SSLError, ValueError):
            self._certificate, self._key = before
            raise

    def _load_again(self) -> None:
        self.load()
        if self._changed is not None:
            self._changed()

    def load(self) -> None:
        """Read all files. Raises OSError or ssl.SSLError, naming nothing: the caller says which flag is meant."""
        seen = self._state()  # before they are read: what changes meanwhile is read again
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._minimum
        if self._ciphers:
            context.set_ciphers(self._ciphers)
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._certificate, self._key)
        for path in self._authorities:
            trust_each(context).load_verify_locations(cafile=path)
        if self._authorities:
            context.verify_mode = ssl.CERT_OPTIONAL
            announce_authorities(context, self._authorities)
        self._newest, self._seen = context, seen

    def _state(self) -> dict[str, tuple[int, int]]:
        state = {}
        for path in (self._certificate, self._key, *self._authorities):
            found = Path(path).stat()
            state[path] = (found.st_mtime_ns, found.st_ino)
        return state

    async def follow(self) -> None:
        """Load again whenever a file changed; new connections get the new certificate and meet the new authorities."""
        said = ""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                if self._state() != self._seen:
                    self._load_again()
                    files = ", ".join((self._certificate, *self._authorities))
                    _log.info("the serving certificate and whom to trust were read again (%s)", files)
                    said = ""
            except (OSError, ssl.SSLError, ValueError) as error:  # half written: the next look finds it whole
                self._seen = {}
                if str(error) != said:
                    _log.warning("the serving certificate and whom to trust cannot be read again: %s", error)
                said = str(error)
