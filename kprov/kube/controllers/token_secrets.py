"""Secrets that hold a service account's token: what is in one, and who signs it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson

Object = dict[str, Any]

ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - a kind of Secret, not one


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class _Signer:
    """Signs service account tokens (RS256 or ES256) with the key in a PEM file.

    The key's id is that of its public half (SHA-256 of its DER form), as upstream's, so that either can verify both.
    """

    def __init__(self, key_file: str) -> None:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        key = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file}: neither an RSA nor an elliptic curve key")
        self._key = key
        digest = hashes.Hash(hashes.SHA256())
        digest.update(
            key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        self._key_id = _segment(digest.finalize())

    def sign(self, claims: Object) -> str:
        """A compact JWT with these claims."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        is_rsa = isinstance(self._key, rsa.RSAPrivateKey)
        header = {"alg": "RS256" if is_rsa else "ES256", "kid": self._key_id}
        text = f"{_segment(orjson.dumps(header))}.{_segment(orjson.dumps(claims))}"
        if isinstance(self._key, rsa.RSAPrivateKey):
            signature = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return f"{text}.{_segment(signature)}"


def _claims(account: Object, secret_name: str) -> Object:
    """The claims of a token that lives as long as its Secret."""
    metadata = account["metadata"]
    prefix = "kubernetes.io/serviceaccount"
    return {
        "iss": "kubernetes/serviceaccount",
        f"{prefix}/namespace": metadata["namespace"],
        f"{prefix}/secret.name": secret_name,
        f"{prefix}/service-account.name": metadata["name"],
        f"{prefix}/service-account.uid": metadata["uid"],
        "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
    }


class TokenSecrets:
    """Writes the data of such Secrets.

    Args:
        key_file: the key that signs tokens (--service-account-private-key-file).
        authority_file: the API server's authority (--root-ca-file), or nothing.
    """

    def __init__(self, key_file: str, authority_file: str) -> None:
        self._signer = _Signer(key_file)
        self._authority = Path(authority_file).read_bytes() if authority_file else b""

    def data(self, account: Object, secret_name: str, present: Object | None = None) -> Object:
        """What belongs into a Secret of an account.

        Args:
            account: the service account.
            secret_name: the Secret's name, which its token carries.
            present: the Secret's data as it is: a token in it stays.

        Returns:
            The whole data, in base64.
        """
        wanted = {"namespace": account["metadata"]["namespace"].encode()}
        if self._authority:
            wanted["ca.crt"] = self._authority
        if not (present or {}).get("token"):
            wanted["token"] = self._signer.sign(_claims(account, secret_name)).encode()
        return {**(present or {}), **{name: base64.b64encode(raw).decode() for name, raw in wanted.items()}}
