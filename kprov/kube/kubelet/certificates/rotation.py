"""Renewal: a certificate is asked for anew before the present one ends."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from kprov.kube.api.client import ApiClient
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.certificates.signing import SigningRefusedError, obtain
from kprov.kube.kubelet.certificates.store import Certificate, CertificateStore, ToolError

log = logging.getLogger(__name__)

LONGEST_SLEEP = 3600.0  # clocks jump and machines sleep: look again now and then


class Renewer:
    """Keeps one certificate valid."""

    def __init__(
        self,
        client: ApiClient,
        store: CertificateStore,
        signer: str,
        node: str,
        *,
        dns_names: list[str] | None = None,
        addresses: list[str] | None = None,
        renewed: Callable[[Certificate], None] | None = None,
    ) -> None:
        """``renewed`` is called with each certificate that can be used, the one found at the start included."""
        self._client, self.store, self._signer, self._node = client, store, signer, node
        self._dns_names, self._addresses, self._renewed = dns_names or [], addresses or [], renewed
        self._share = random.uniform(0.7, 0.9)  # not all nodes at once

    async def run(self) -> None:
        """Renew for ever."""
        present = await self.store.load()
        if present is not None and self._fits(present) and present.not_after > time.time() and self._renewed:
            self._renewed(present)
        pause = 2.0
        while True:
            if present is not None and self._fits(present):
                left = present.rotate_at(self._share) - time.time()
                if left > 0:
                    await asyncio.sleep(min(left, LONGEST_SLEEP))
                    continue
            try:
                present = await obtain(
                    self._client,
                    self.store,
                    self._signer,
                    self._node,
                    dns_names=self._dns_names,
                    addresses=self._addresses,
                )
            except (SigningRefusedError, ToolError, *API_FAILURES) as failure:
                log.warning("%s is not renewed yet: %s", self.store.current.name, failure or type(failure).__name__)
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))
                pause = min(pause * 2, 60)
                continue
            pause = 2.0
            log.info("%s is new, valid until %s", self.store.current.name, time.ctime(present.not_after))
            if self._renewed:
                self._renewed(present)

    def _fits(self, present: Certificate) -> bool:
        """Whether the certificate names what it should: an address that changed needs a new one."""
        return set(self._dns_names + self._addresses) <= set(present.names)
