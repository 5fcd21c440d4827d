"""Who is at the other end of a TLS connection."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from typing import Any

_REMEMBERED = 512
_chains: OrderedDict[bytes, tuple[bytes, ...]] = OrderedDict()


def _session(transport: asyncio.BaseTransport | None) -> ssl.SSLObject | None:
    found: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
    return found


def peer_certificate(transport: asyncio.BaseTransport | None) -> bytes | None:
    """The certificate of the client, in DER form, if it sent one; the handshake has verified it."""
    session = _session(transport)
    return session.getpeercert(True) if session is not None else None


def peer_chain(transport: asyncio.BaseTransport | None) -> tuple[bytes, ...]:
    """The certificates by which the handshake verified the client's, from its own up to the authority's, in DER form.

    A session that is taken up again carries the client's own certificate alone: the chain is then the one by which
    it was verified when the session began. Empty where that is not known.
    """
    session = _session(transport)
    own = session.getpeercert(True) if session is not None else None
    if session is None or own is None:
        return ()
    chain = _verified(session)
    if chain:
        _chains[own] = chain
        _chains.move_to_end(own)
        if len(_chains) > _REMEMBERED:
            _chains.popitem(last=False)
        return chain
    return _chains.get(own, ())


def _verified(session: Any) -> tuple[bytes, ...]:
    if hasattr(session, "get_verified_chain"):  # Python 3.13
        return tuple(session.get_verified_chain() or ())
    import _ssl  # what 3.13 made public is there since 3.10

    return tuple(each.public_bytes(_ssl.ENCODING_DER) for each in session._sslobj.get_verified_chain() or ())
