"""ResourceQuotas: counting what a namespace uses.

The API server's admission adds to the count as objects are made; this controller counts anew, and so takes off what was
deleted or finished.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from fractions import Fraction
from typing import Any

from kprov.kube.api import quantity
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICES,
    Resource,
)
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import Context, Controller, every
from kprov.kube.controllers.discovery import discover
from kprov.kube.controllers.quota_usage import claim_usage, pod_in_scopes, pod_usage, service_usage

Object = dict[str, Any]
log = logging.getLogger(__name__)

RECOUNT_PERIOD = 300.0
_CORE_COUNTS: dict[str, Resource] = {
    "pods": PODS,
    "services": SERVICES,
    "configmaps": CONFIG_MAPS,
    "secrets": SECRETS,
    "persistentvolumeclaims": PERSISTENT_VOLUME_CLAIMS,
    "replicationcontrollers": REPLICATION_CONTROLLERS,
    "resourcequotas": RESOURCE_QUOTAS,
}


def _only_name(obj: Object) -> Object:
    metadata = obj["metadata"]
    return {"metadata": {k: metadata[k] for k in ("name", "namespace", "uid", "resourceVersion") if k in metadata}}


class ResourceQuotaController(Controller):
    """Keeps ``status.hard`` and ``status.used``."""

    name = "resourcequota"
    account = "resourcequota-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        # A new status is no reason to count: admission has just written what our informers have not heard of yet.
        self.quotas = self.watch(
            RESOURCE_QUOTAS,
            on_add=self.enqueue,
            on_update=lambda old, new: self.enqueue(new) if old["spec"] != new["spec"] else None,
        )
        for resource in (PODS, SERVICES, PERSISTENT_VOLUME_CLAIMS):
            self.watch(
                resource,
                on_add=self._wake,
                on_update=self._pod_updated if resource == PODS else lambda _, new: self._wake(new),
                on_delete=self._wake,
            )
        self._counted: dict[Resource, tuple[Informer, asyncio.Task[None] | None]] = {}
        self._kinds: dict[tuple[str, str], Resource] = {}

    def loops(self) -> Iterable[Coroutine[Any, Any, None]]:
        """A full count now and then."""
        return (every(RECOUNT_PERIOD, self._recount, "quota recount"),)

    async def run(self) -> None:
        """Run until cancelled, then stop the informers of its own."""
        try:
            await super().run()
        finally:
            for _, task in self._counted.values():
                if task is not None:
                    task.cancel()

    async def _recount(self) -> None:
        for quota in self.quotas.list():
            self.enqueue(quota)

    def _wake(self, obj: Object) -> None:
        for quota in self.quotas.list(obj["metadata"].get("namespace")):
            self.enqueue(quota)

    def _pod_updated(self, old: Object, new: Object) -> None:
        before = pod_state.is_finished(old), bool(old["metadata"].get("deletionTimestamp"))
        if before != (pod_state.is_finished(new), bool(new["metadata"].get("deletionTimestamp"))):
            self._wake(new)

    async def reconcile(self, key: str) -> None:
        """Count one quota."""
        quota = self.quotas.get(key)
        if quota is None or quota["metadata"].get("deletionTimestamp"):
            return
        hard = quota["spec"].get("hard") or {}
        used = await self._usage(quota, list(hard))
        old = quota.get("status") or {}
        # In the style of the limit: 2Gi is compared with 512Mi, not with 536870912.
        shown = {
            name: quantity.format_quantity(used.get(name, 0), quantity.format_of(limit)) for name, limit in hard.items()
        }
        same_hard = _numbers(old.get("hard") or {}) == _numbers(hard)
        if same_hard and _numbers(old.get("used") or {}) == _numbers(shown):
            return
        status = {"hard": hard, "used": shown}
        await self.client.update(RESOURCE_QUOTAS, {**quota, "status": status}, subresource="status")

    async def _usage(self, quota: Object, names: list[str]) -> dict[str, Any]:
        namespace = quota["metadata"]["namespace"]
        used: dict[str, Any] = dict.fromkeys(names, Fraction(0))

        def add(amounts: dict[str, Any]) -> None:
            for name, amount in amounts.items():
                if name in used:
                    used[name] += amount

        scoped = bool(quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"))
        for pod in self.context.informer(PODS).list(namespace):
            if pod_in_scopes(pod, quota):
                add(pod_usage(pod))
        if scoped:
            return used
        for service in self.context.informer(SERVICES).list(namespace):
            add(service_usage(service))
        for claim in self.context.informer(PERSISTENT_VOLUME_CLAIMS).list(namespace):
            add(claim_usage(claim))
        for name in names:
            resource = await self._resource_of(name)
            if resource is not None and resource not in (PODS, SERVICES, PERSISTENT_VOLUME_CLAIMS):
                used[name] = Fraction(await self._count(resource, namespace))
            elif resource is not None and name.startswith("count/"):
                used[name] = Fraction(len(self.context.informer(resource).list(namespace)))
        return used

    async def _resource_of(self, name: str) -> Resource | None:
        """The kind that a quota's name counts; None if it is an amount."""
        if not name.startswith("count/"):
            return _CORE_COUNTS.get(name)
        plural, _, group = name.removeprefix("count/").partition(".")
        if not group and plural in _CORE_COUNTS:
            return _CORE_COUNTS[plural]
        if (group, plural) not in self._kinds:
            found = await discover(self.client)
            self._kinds |= {(e.resource.group, e.resource.plural): e.resource for e in found.served}
        return self._kinds.get((group, plural))

    async def _count(self, resource: Resource, namespace: str) -> int:
        if resource not in self._counted:
            task = None
            if resource in self.context.shared:
                informer = self.context.informer(resource)
            else:
                informer = Informer(self.context.client, resource, transform=_only_name)
                task = asyncio.create_task(informer.run(), name=f"quota-{resource.plural}")
            informer.add_handler(on_add=self._wake, on_delete=self._wake)
            self._counted[resource] = (informer, task)
        informer, _ = self._counted[resource]
        await informer.wait_synced()
        return len(informer.list(namespace))


def _numbers(amounts: dict[str, str]) -> dict[str, Any]:
    return {name: quantity.parse(amount) for name, amount in amounts.items()}
