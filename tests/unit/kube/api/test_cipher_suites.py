"""Upstream's names of cipher suites become OpenSSL's, and OpenSSL knows each."""

from __future__ import annotations

import ssl

import pytest

from kprov.kube.api.cipher_suites import OF_TLS13, OPENSSL_NAMES, openssl_ciphers


def test_openssl_knows_each_and_serves_nothing_else() -> None:
    for name, wanted in OPENSSL_NAMES.items():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(openssl_ciphers([name]))
        found = {each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"}
        assert found == {wanted}


def test_names_are_checked() -> None:
    with pytest.raises(ValueError, match="TLS_RSA_WITH_RC4_128_SHA is no cipher suite"):
        openssl_ciphers(["TLS_RSA_WITH_RC4_128_SHA"])
    with pytest.raises(ValueError, match=r"at least one cipher suite of TLS 1\.2"):
        openssl_ciphers(sorted(OF_TLS13))
    both = [
        "TLS_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ]
    assert openssl_ciphers(both) == "ECDHE-RSA-CHACHA20-POLY1305"
