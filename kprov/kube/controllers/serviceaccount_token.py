"""Long-lived tokens in Secrets of type kubernetes.io/service-account-token, for those who ask for one.

Pods get their tokens from the TokenRequest API; this serves only Secrets that name an account in an annotation.
"""

from __future__ import annotations

from typing import Any

from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import SECRETS, SERVICE_ACCOUNTS
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.token_secrets import ACCOUNT_NAME, ACCOUNT_UID, TOKEN_TYPE, TokenSecrets


class TokensController(Controller):
    """Fills token Secrets, and deletes those whose account is gone."""

    name = "serviceaccount-token"
    account = ""  # the daemon's own credentials: this one must work before any account has a token
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.options
        self._secrets = TokenSecrets(options.service_account_private_key_file, options.root_ca_file)
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
        present, annotations = secret.get("data") or {}, dict(metadata.get("annotations") or {})
        data = self._secrets.data(account, metadata["name"], present)
        if data == present and annotations.get(ACCOUNT_UID):
            return
        annotations[ACCOUNT_UID] = account["metadata"]["uid"]
        await self.client.update(
            SECRETS, {**secret, "metadata": {**metadata, "annotations": annotations}, "data": data}
        )
