"""A service account named ``default`` in every namespace."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.kinds import NAMESPACES, SERVICE_ACCOUNTS
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.pod_control import namespace_is_terminating


class ServiceAccountController(Controller):
    """Creates ``default`` where it is missing; a deleted one comes back."""

    name = "serviceaccount"
    account = "service-account-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.namespaces = self.watch(NAMESPACES, on_add=self.enqueue, on_update=lambda _, new: self.enqueue(new))
        self.accounts = self.watch(SERVICE_ACCOUNTS, on_delete=self._account_deleted)

    def _account_deleted(self, account: dict[str, Any]) -> None:
        if account["metadata"]["name"] == "default":
            self.queue.add(account["metadata"]["namespace"])

    async def reconcile(self, key: str) -> None:
        """Create the default account of an active namespace."""
        namespace = self.namespaces.get(key)
        if namespace is None or (namespace.get("status") or {}).get("phase") == "Terminating":
            return
        if namespace["metadata"].get("deletionTimestamp") or self.accounts.get(f"{key}/default") is not None:
            return
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": key}}
        try:
            await self.client.create(SERVICE_ACCOUNTS, account, key)
        except ApiError as error:
            if not (is_already_exists(error) or is_not_found(error) or namespace_is_terminating(error)):
                raise
