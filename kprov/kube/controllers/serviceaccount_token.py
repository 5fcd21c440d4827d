"""Long-lived tokens in Secrets of type kubernetes.io/service-account-token, for those who ask for one.

Pods get their tokens from the TokenRequest API; this serves only Secrets that name an account in an annotation.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson

from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import SECRETS, SERVICE_ACCOUNTS
from kprov.kube.controllers.controller import Context, Controller

ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - a kind of Secret, not one


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class TokenSigner:
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

    def sign(self, claims: dict[str, Any]) -> str:
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


def legacy_claims(account: dict[str, Any], secret_name: str) -> dict[str, Any]:
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


class TokensController(Controller):
    """Fills token Secrets, and deletes those whose account is gone."""

    name = "serviceaccount-token"
    account = ""  # the daemon's own credentials: this one must work before any account has a token
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._signer = TokenSigner(context.options.service_account_private_key_file)
        ca_file = context.options.root_ca_file
        self._ca = Path(ca_file).read_bytes() if ca_file else b""
        self.accounts = self.watch(
            SERVICE_ACCOUNTS,
            on_add=self._account_changed,
            on_update=lambda _, new: self._account_changed(new),
            on_delete=self._account_changed,
        )
        self.secrets = self.watch(
            SECRETS,
            field_selector=f"type={TOKEN_TYPE}",
            on_add=self.enqueue,
            on_update=lambda _, new: self.enqueue(new),
        )

    def _account_changed(self, account: dict[str, Any]) -> None:
        for secret in self.secrets.list(account["metadata"]["namespace"]):
            if (secret["metadata"].get("annotations") or {}).get(ACCOUNT_NAME) == account["metadata"]["name"]:
                self.enqueue(secret)

    async def reconcile(self, key: str) -> None:
        """Fill one Secret, or delete it with its account."""
        secret = self.secrets.get(key)
        if secret is None or secret.get("type") != TOKEN_TYPE:
            return
        metadata = secret["metadata"]
        annotations = metadata.get("annotations") or {}
        name, uid = annotations.get(ACCOUNT_NAME), annotations.get(ACCOUNT_UID)
        if not name:
            return
        account = self.accounts.get(f"{metadata['namespace']}/{name}")
        if account is None:
            try:
                account = await self.client.get(SERVICE_ACCOUNTS, name, metadata["namespace"])
            except ApiError as error:
                if not is_not_found(error):
                    raise
        if account is None or (uid and uid != account["metadata"]["uid"]):
            try:
                await self.client.delete(
                    SECRETS,
                    metadata["name"],
                    metadata["namespace"],
                    uid=metadata["uid"],
                    resource_version=metadata["resourceVersion"],
                )
            except ApiError as error:
                if not is_not_found(error):
                    raise
            return
        await self._fill(secret, account)

    async def _fill(self, secret: dict[str, Any], account: dict[str, Any]) -> None:
        metadata = secret["metadata"]
        data = dict(secret.get("data") or {})
        wanted = {"namespace": base64.b64encode(metadata["namespace"].encode()).decode()}
        if self._ca:
            wanted["ca.crt"] = base64.b64encode(self._ca).decode()
        annotations = dict(metadata.get("annotations") or {})
        if data.get("token") and wanted.items() <= data.items() and annotations.get(ACCOUNT_UID):
            return
        if not data.get("token"):
            token = self._signer.sign(legacy_claims(account, metadata["name"]))
            wanted["token"] = base64.b64encode(token.encode()).decode()
        annotations[ACCOUNT_UID] = account["metadata"]["uid"]
        await self.client.update(
            SECRETS, {**secret, "metadata": {**metadata, "annotations": annotations}, "data": data | wanted}
        )
