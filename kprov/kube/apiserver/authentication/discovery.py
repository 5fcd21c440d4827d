"""OpenID discovery: how others verify the cluster's service-account tokens.

Source: OpenID Connect Discovery 1.0, RFC 7517.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kprov.kube.apiserver.authentication.keys import VerificationKey, encode

CONFIGURATION_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"
JWKS_CONTENT_TYPE = "application/jwk-set+json"


def openid_configuration(issuer: str, jwks_uri: str, keys: Sequence[VerificationKey]) -> dict[str, Any]:
    """The document at CONFIGURATION_PATH.

    Args:
        issuer: the issuer of tokens.
        jwks_uri: --service-account-jwks-uri, or the API server's external address and JWKS_PATH.
        keys: the keys that tokens are verified with.
    """
    return {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in keys}),
    }


def jwks(keys: Sequence[VerificationKey]) -> dict[str, Any]:
    """The document at JWKS_PATH."""
    return {"keys": [_jwk(key) for key in keys]}


def _jwk(key: VerificationKey) -> dict[str, str]:
    from cryptography.hazmat.primitives.asymmetric import rsa

    described = {"use": "sig", "kid": key.key_id, "alg": key.algorithm}
    if isinstance(key.public, rsa.RSAPublicKey):
        numbers = key.public.public_numbers()
        return {**described, "kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    point = key.public.public_numbers()
    size = (key.public.curve.key_size + 7) // 8
    curve = f"P-{key.public.curve.key_size}"
    return {**described, "kty": "EC", "crv": curve, "x": _number(point.x, size), "y": _number(point.y, size)}


def _number(number: int, size: int = 0) -> str:
    return encode(number.to_bytes(size or (number.bit_length() + 7) // 8))
