"""Upstream's names of TLS cipher suites, as --tls-cipher-suites and tlsCipherSuites take them, in OpenSSL's words.

The names are IANA's, as Go's crypto/tls has them; those that Go holds to be insecure are not taken.
"""

from __future__ import annotations

from collections.abc import Iterable

OPENSSL_NAMES: dict[str, str] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""The suites of TLS 1.2."""

OF_TLS13 = frozenset(("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"))
"""Always on with TLS 1.3, and not to be chosen from, as upstream."""


STRONG = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Those of TLS 1.2 that daemons take where nobody chooses: with forward secrecy, and authenticated."""


def openssl_ciphers(names: Iterable[str]) -> str:
    """What ``SSLContext.set_ciphers`` is given for upstream's names, in their order.

    Raises:
        ValueError: a name is unknown, or no suite of TLS 1.2 is named.
    """
    chosen: list[str] = []
    for name in names:
        if name in OPENSSL_NAMES:
            chosen.append(OPENSSL_NAMES[name])
        elif name not in OF_TLS13:
            raise ValueError(f"{name} is no cipher suite that kprov has; it has {', '.join(sorted(OPENSSL_NAMES))}")
    if not chosen:
        raise ValueError("name at least one cipher suite of TLS 1.2; those of TLS 1.3 are always on")
    return ":".join(dict.fromkeys(chosen))
