"""JSON Web Tokens, as far as service accounts need them: compact form, RS256 and ES256/384/512.

Source: RFC 7515 and RFC 7518. The algorithm is taken from the key, never from the token, so that a token cannot choose
how it is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from kprov.kube.apiserver.authentication.keys import SigningKey, VerificationKey, decode, encode

Claims = dict[str, Any]


class TokenError(Exception):
    """A token that is well-formed, and not to be accepted."""


class BoundObjectMissing(TokenError):
    """A token names something that the watch cache does not hold: gone, or so new that the cache lags behind."""


def _hash(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    known: dict[str, type[Any]] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
    return known[algorithm[2:]]()


def sign(claims: Claims, key: SigningKey) -> str:
    """A signed token.

    Args:
        claims: what the token says.
        key: who says so.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    algorithm = key.verification.algorithm
    header = {"alg": algorithm, "kid": key.verification.key_id}
    signed = f"{encode(orjson.dumps(header))}.{encode(orjson.dumps(claims))}"
    if isinstance(key.private, rsa.RSAPrivateKey):
        signature = key.private.sign(signed.encode(), padding.PKCS1v15(), _hash(algorithm))
    else:
        size = (key.private.curve.key_size + 7) // 8
        r, s = decode_dss_signature(key.private.sign(signed.encode(), ec.ECDSA(_hash(algorithm))))
        signature = r.to_bytes(size) + s.to_bytes(size)
    return f"{signed}.{encode(signature)}"


def unverified_claims(token: str) -> Claims | None:
    """What a token says, believed or not; None where it is not a token of this form. Good only to tell whose it is."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(decode(parts[1]))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def verify(token: str, keys: Sequence[VerificationKey]) -> Claims:
    """What a token says, once its signature is found to be of one of the keys.

    Raises:
        TokenError: none of the keys signed it, or it is malformed.
    """
    head, _, signature_text = token.rpartition(".")
    try:
        header = orjson.loads(decode(head.partition(".")[0]))
        signature = decode(signature_text)
        claims = orjson.loads(decode(head.partition(".")[2]))
    except ValueError as error:
        raise TokenError("the token is malformed") from error
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("crit"):
        raise TokenError("the token is malformed")
    key_id, algorithm = header.get("kid"), header.get("alg")
    named = [key for key in keys if key.key_id == key_id]
    for key in named or keys:
        if key.algorithm == algorithm and _signed_by(key, head.encode(), signature):
            return claims
    raise TokenError("the token is not signed by a known key")


def _signed_by(key: VerificationKey, data: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    try:
        if isinstance(key.public, rsa.RSAPublicKey):
            key.public.verify(signature, data, padding.PKCS1v15(), _hash(key.algorithm))
        else:
            half = (key.public.curve.key_size + 7) // 8
            if len(signature) != 2 * half:
                return False
            der = encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
            key.public.verify(der, data, ec.ECDSA(_hash(key.algorithm)))
    except InvalidSignature:
        return False
    return True
