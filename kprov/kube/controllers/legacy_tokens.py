"""A token Secret for every service account, as releases before 1.24 made them.

Clients of that age read the Secrets that an account names. Off unless
``--feature-gates=LegacyServiceAccountTokenNoAutoGeneration=false`` asks for it, as in upstream's 1.24 to 1.26.
"""

from __future__ import annotations

import logging
import random
from typing import Any

from kprov.kube.api.errors import ApiError, is_conflict, is_not_found
from kprov.kube.api.kinds import SECRETS, SERVICE_ACCOUNTS
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.pod_control import namespace_is_terminating
from kprov.kube.controllers.token_secrets import ACCOUNT_NAME, ACCOUNT_UID, TOKEN_TYPE, TokenSecrets

Object = dict[str, Any]
log = logging.getLogger(__name__)
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # as generated names have them: no words come of it


class LegacyTokens(Controller):
    """Makes the Secret, names it in the account, and takes the name out when the Secret is gone."""

    name = "legacy-serviceaccount-token"
    account = ""  # the daemon's own credentials, as those of the controller that fills token Secrets
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.options
        self._secrets = TokenSecrets(options.service_account_private_key_file, options.root_ca_file)
        self._gone: dict[str, set[str]] = {}  # account -> names of its Secrets that were deleted
        self.accounts = self.watch_keys(SERVICE_ACCOUNTS)
        self.secrets = self.watch(SECRETS, field_selector=f"type={TOKEN_TYPE}", on_delete=self._secret_gone)

    def _secret_gone(self, secret: Object) -> None:
        metadata = secret["metadata"]
        name = (metadata.get("annotations") or {}).get(ACCOUNT_NAME)
        if name:
            key = f"{metadata['namespace']}/{name}"
            self._gone.setdefault(key, set()).add(metadata["name"])
            self.queue.add(key)

    async def reconcile(self, key: str) -> None:
        """One account's Secret."""
        if self.accounts.get(key) is None:
            self._gone.pop(key, None)
            return
        namespace, name = key.split("/")
        try:
            account = await self.client.get(SERVICE_ACCOUNTS, name, namespace)
        except ApiError as error:
            if is_not_found(error):
                return
            raise
        gone = self._gone.get(key, set())
        named = [each for each in account.get("secrets") or () if each["name"] not in gone]
        secret = None
        if not [each for each in named if await self._is_token(account, each["name"])]:
            try:
                secret = await self._make(account)
            except ApiError as error:
                if namespace_is_terminating(error):
                    return
                raise
            named.append({"name": secret["metadata"]["name"]})
        if named != (account.get("secrets") or []):
            await self._name(account, named, secret)
        self._gone.pop(key, None)

    async def _is_token(self, account: Object, name: str) -> bool:
        metadata = account["metadata"]
        secret = self.secrets.get(f"{metadata['namespace']}/{name}")
        if secret is None:
            try:
                secret = await self.client.get(SECRETS, name, metadata["namespace"])
            except ApiError as error:
                if not is_not_found(error):
                    raise
                return False
        annotations = secret["metadata"].get("annotations") or {}
        return bool(secret.get("type") == TOKEN_TYPE and annotations.get(ACCOUNT_UID) == metadata["uid"])

    async def _make(self, account: Object) -> Object:
        metadata = account["metadata"]
        name = f"{metadata['name']}-token-{''.join(random.choices(_LETTERS, k=5))}"
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "annotations": {ACCOUNT_NAME: metadata["name"], ACCOUNT_UID: metadata["uid"]},
            },
            "type": TOKEN_TYPE,
            "data": self._secrets.data(account, name),
        }
        made: Object = await self.client.create(SECRETS, secret)
        return made

    async def _name(self, account: Object, named: list[Object], secret: Object | None) -> None:
        """Write the account's Secrets down; one that was made for it goes when that cannot be done."""
        try:
            await self.client.update(SERVICE_ACCOUNTS, {**account, "secrets": named})
        except ApiError as error:
            if secret is not None:
                metadata = secret["metadata"]
                await self.client.delete(SECRETS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
            if not is_conflict(error) and not is_not_found(error):
                raise
            self.queue.add(f"{account['metadata']['namespace']}/{account['metadata']['name']}")
