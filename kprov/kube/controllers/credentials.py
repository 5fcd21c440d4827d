"""Who the controllers are: one service account of kube-system each, so that RBAC can bound each by itself.

Tokens are asked for from the API server and renewed before they end, or at once when their account was made anew.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp

from kprov.kube.api import clock
from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import SERVICE_ACCOUNTS
from kprov.kube.api.kubeconfig import Credentials, Material

log = logging.getLogger(__name__)

NAMESPACE = "kube-system"
LIFETIME = 3607.0  # seconds asked for; a token is renewed after four fifths of what was granted
LOOK_EVERY = 5.0


class _Account:
    def __init__(self, name: str, client: ApiClient) -> None:
        self.name = name
        self.client = client
        self.uid = ""
        self.renew_at = 0.0


class AccountClients:
    """The clients of the controllers' service accounts.

    Args:
        root: the daemon's own client, which may make accounts and tokens.
    """

    def __init__(self, root: ApiClient) -> None:
        self._root = root
        own = root.credentials
        bare = Credentials(own.server, own.authority, Material(), Material(), server_name=own.server_name)
        bare.insecure = own.insecure
        self._bare = bare
        self._ssl = bare.ssl_context()  # shared: a context for each of twenty clients would cost memory
        self._accounts: dict[str, _Account] = {}

    def client_for(self, account: str) -> ApiClient:
        """The client of an account; usable after :meth:`prepare`. An empty name is the daemon itself."""
        if not account:
            return self._root
        if account not in self._accounts:
            bare = self._bare
            credentials = Credentials(bare.server, Material(), Material(), Material(), server_name=bare.server_name)
            client = ApiClient(
                ssl=self._ssl,
                credentials=credentials,
                user_agent=f"{self._root.user_agent}/system:serviceaccount:{NAMESPACE}:{account}",
            )
            self._accounts[account] = _Account(account, client)
        return self._accounts[account].client

    async def prepare(self) -> None:
        """Get a first token for every account, however long the API server takes."""
        await asyncio.gather(*(self._prepare(account) for account in self._accounts.values()))

    async def _prepare(self, account: _Account) -> None:
        delay = 0.5
        while True:
            try:
                await self._renew(account)
                return
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                log.warning("no token for %s yet: %s", account.name, error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 10.0)

    async def _renew(self, account: _Account) -> None:
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": int(LIFETIME)},
        }
        try:
            found = await self._root.get(SERVICE_ACCOUNTS, account.name, NAMESPACE)
        except ApiError as error:
            if not is_not_found(error):
                raise
            body = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": account.name, "namespace": NAMESPACE},
            }
            try:
                found = await self._root.create(SERVICE_ACCOUNTS, body, NAMESPACE)
            except ApiError as refused:
                if not is_already_exists(refused):
                    raise
                found = await self._root.get(SERVICE_ACCOUNTS, account.name, NAMESPACE)
        answer = await self._root.create_subresource(SERVICE_ACCOUNTS, account.name, NAMESPACE, "token", request)
        status: dict[str, Any] = answer["status"]
        account.client.credentials.token = status["token"]
        account.uid = found["metadata"]["uid"]
        # Not by expirationTimestamp: this machine's time need not be the API server's.
        lifetime = float((answer.get("spec") or {}).get("expirationSeconds") or LIFETIME)
        account.renew_at = clock.steady() + 0.8 * lifetime

    async def keep_fresh(self, accounts: Informer) -> None:
        """Renew tokens for ever. ``accounts`` tells when an account was deleted or made anew."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for account in self._accounts.values():
                current = accounts.get(f"{NAMESPACE}/{account.name}")
                same = current is not None and current["metadata"]["uid"] == account.uid
                if same and clock.steady() < account.renew_at:
                    continue
                try:
                    await self._renew(account)
                except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                    log.warning("the token of %s cannot be renewed: %s", account.name, error)

    async def close(self) -> None:
        """Close all clients, the daemon's own excepted."""
        await asyncio.gather(*(account.client.close() for account in self._accounts.values()))
