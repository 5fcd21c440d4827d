"""How to reach a node's kubelet."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.authorities import trust_each

Object = dict[str, Any]
_DEFAULT_PORT = 10250


@dataclass(frozen=True, slots=True)
class KubeletTarget:
    """Where a kubelet listens, and how to speak to it."""

    host: str
    port: int
    tls: ssl.SSLContext


class Kubelets:
    """Makes targets of nodes.

    Args:
        certificate: the client certificate to show, or nothing.
        key: its key.
        authority: the authority of serving certificates; without it they are not verified, as upstream.
        address_types: which of a node's addresses to use, in order.
    """

    def __init__(self, certificate: str, key: str, authority: str, address_types: Sequence[str]) -> None:
        self._files = (certificate, key, authority)
        self._address_types = list(address_types)
        self._context: ssl.SSLContext | None = None
        self._read_at: tuple[int, ...] = ()

    def _tls(self) -> ssl.SSLContext:
        """A context of the files as they are now."""
        certificate, key, authority = self._files
        stamp = tuple(Path(path).stat().st_mtime_ns for path in self._files if path)
        if self._context is None or stamp != self._read_at:
            context = trust_each(ssl.create_default_context(cafile=authority or None))
            if not authority:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if certificate:
                context.load_cert_chain(certificate, key)
            self._context, self._read_at = context, stamp
        return self._context

    def target(self, node: Object) -> KubeletTarget:
        """Where a node's kubelet is. Raises ApiError where the node has no address that may be used."""
        status = node.get("status") or {}
        addresses = status.get("addresses") or []
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or _DEFAULT_PORT
        for wanted in self._address_types:
            for address in addresses:
                if address.get("type") == wanted:
                    return KubeletTarget(address["address"], int(port), self._tls())
        name = node["metadata"]["name"]
        raise errors.internal(f"no preferred addresses found for node {name}; known addresses: {addresses}")
