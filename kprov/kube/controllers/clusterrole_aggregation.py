"""ClusterRoles that are made of others: admin, edit, view, and those that users write."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import selectors
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import CLUSTER_ROLES
from kprov.kube.controllers.controller import Context, Controller

Object = dict[str, Any]


class ClusterRoleAggregation(Controller):
    """Keeps ``rules`` the union of what the aggregation rule selects."""

    name = "clusterrole-aggregation"
    account = "clusterrole-aggregation-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.roles = self.watch(
            CLUSTER_ROLES, on_add=self._changed, on_update=lambda _, new: self._changed(new), on_delete=self._changed
        )

    def _changed(self, _: Object) -> None:
        for role in self.roles.list():
            if role.get("aggregationRule"):
                self.enqueue(role)

    async def reconcile(self, key: str) -> None:
        """Bring one role's rules up to date."""
        role = self.roles.get(key)
        if role is None or not role.get("aggregationRule"):
            return
        rules: list[Object] = []
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
            parsed = selectors.from_label_selector(selector)
            for other in sorted(self.roles.list(), key=key_of):
                if other["metadata"]["name"] == key:
                    continue
                if selectors.matches(parsed, other["metadata"].get("labels") or {}):
                    rules += [rule for rule in other.get("rules") or () if rule not in rules]
        if rules != (role.get("rules") or []):
            await self.client.update(CLUSTER_ROLES, {**role, "rules": rules})
