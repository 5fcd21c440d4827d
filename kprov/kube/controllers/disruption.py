"""PodDisruptionBudgets: how many pods may be evicted now."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock, selectors
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
    Resource,
)
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.deployment.numbers import scaled
from kprov.kube.controllers.ownership import controller_of

Object = dict[str, Any]
DELETION_TIMEOUT = 120.0  # an eviction that was granted and not seen for so long is forgotten
_SCALED: dict[str, Resource] = {r.kind: r for r in (REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS)}


class DisruptionController(Controller):
    """Keeps the status that the eviction API decides by."""

    name = "disruption"
    account = "disruption-controller"
    component = "controllermanager"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.budgets = self.watch(
            POD_DISRUPTION_BUDGETS, on_add=self.enqueue, on_update=lambda _, new: self.enqueue(new)
        )
        self.pods = self.watch(
            PODS,
            on_add=self._pod_changed,
            on_update=lambda _, new: self._pod_changed(new),
            on_delete=self._pod_changed,
        )
        self.owners = {kind: self.watch(resource) for kind, resource in _SCALED.items()}
        self.deployments = self.watch(DEPLOYMENTS)

    def _pod_changed(self, pod: Object) -> None:
        labels = pod["metadata"].get("labels") or {}
        for budget in self.budgets.list(pod["metadata"]["namespace"]):
            if selectors.matches(selectors.from_label_selector(budget["spec"].get("selector")), labels):
                self.enqueue(budget)

    async def reconcile(self, key: str) -> None:
        """Count one budget's pods."""
        budget = self.budgets.get(key)
        if budget is None:
            return
        selector = selectors.from_label_selector(budget["spec"].get("selector"))
        namespace = budget["metadata"]["namespace"]
        pods = [
            pod for pod in self.pods.list(namespace) if selectors.matches(selector, pod["metadata"].get("labels") or {})
        ]
        disrupted, next_look = self._still_disrupted(budget, pods)
        healthy = sum(
            pod_state.is_ready(pod)
            and not pod["metadata"].get("deletionTimestamp")
            and pod["metadata"]["name"] not in disrupted
            for pod in pods
        )
        expected, desired = await self._desired(budget, pods)
        allowed = max(0, healthy - desired) if expected > 0 else 0
        await self._report(budget, healthy, desired, expected, allowed, disrupted)
        if next_look is not None:
            self.queue.add_after(key, next_look)

    @staticmethod
    def _still_disrupted(budget: Object, pods: list[Object]) -> tuple[dict[str, str], float | None]:
        granted = (budget.get("status") or {}).get("disruptedPods") or {}
        present = {pod["metadata"]["name"]: pod for pod in pods}
        kept: dict[str, str] = {}
        next_look: float | None = None
        for name, when in granted.items():
            pod = present.get(name)
            if pod is None or pod["metadata"].get("deletionTimestamp"):
                continue
            left = (clock.parse_time(when) or 0.0) + DELETION_TIMEOUT - clock.seconds()
            if left > 0:
                kept[name] = when
                next_look = left if next_look is None else min(left, next_look)
        return kept, next_look

    async def _desired(self, budget: Object, pods: list[Object]) -> tuple[int, int]:
        """(pods that there should be, pods that must stay healthy)."""
        spec = budget["spec"]
        if spec.get("maxUnavailable") is not None:
            expected = await self._expected(pods)
            return expected, max(0, expected - scaled(spec["maxUnavailable"], expected, round_up=True))
        minimum = spec.get("minAvailable", 1)
        if isinstance(minimum, int):
            return len(pods), minimum
        expected = await self._expected(pods)
        return expected, scaled(minimum, expected, round_up=True)

    async def _expected(self, pods: list[Object]) -> int:
        sizes: dict[str, int] = {}
        for pod in pods:
            reference = controller_of(pod)
            if reference is None:
                continue
            if reference["uid"] in sizes:
                continue
            found = await self._scale_of(pod["metadata"]["namespace"], reference)
            if found is not None:
                sizes[found[0]] = found[1]
        return sum(sizes.values())

    async def _scale_of(self, namespace: str, reference: Object) -> tuple[str, int] | None:
        informer = self.owners.get(reference["kind"])
        if informer is None:
            return None
        owner = informer.get(f"{namespace}/{reference['name']}")
        if owner is None:
            try:
                owner = await self.context.client.get(_SCALED[reference["kind"]], reference["name"], namespace)
            except ApiError as error:
                if is_not_found(error) or error.code == 403:
                    return None
                raise
        above = controller_of(owner)
        if reference["kind"] == REPLICA_SETS.kind and above is not None and above["kind"] == DEPLOYMENTS.kind:
            deployment = self.deployments.get(f"{namespace}/{above['name']}")
            if deployment is not None:
                owner = deployment
        return owner["metadata"]["uid"], int(owner["spec"].get("replicas", 1))

    async def _report(
        self, budget: Object, healthy: int, desired: int, expected: int, allowed: int, disrupted: dict[str, str]
    ) -> None:
        old = budget.get("status") or {}
        status: Object = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptionsAllowed": allowed,
            "observedGeneration": budget["metadata"].get("generation", 0),
        }
        if disrupted:
            status["disruptedPods"] = disrupted
        stamp = clock.format_time(clock.seconds())
        entry = {
            "type": "DisruptionAllowed",
            "status": "True" if allowed else "False",
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
            "observedGeneration": status["observedGeneration"],
            "lastTransitionTime": stamp,
        }
        before = pod_state.condition(budget, "DisruptionAllowed")
        if before is not None and before["status"] == entry["status"]:
            entry["lastTransitionTime"] = before.get("lastTransitionTime", stamp)
        others = [c for c in old.get("conditions") or () if c["type"] != "DisruptionAllowed"]
        status["conditions"] = [*others, entry]
        if old != status:
            await self.client.update(POD_DISRUPTION_BUDGETS, {**budget, "status": status}, subresource="status")
