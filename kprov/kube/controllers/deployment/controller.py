"""The deployment controller: one sync of one deployment, from its ReplicaSets to its status."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock, selectors
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import ORPHANS, OWNER_INDEX, Context, Controller
from kprov.kube.controllers.deployment import history, numbers, progress, rolling
from kprov.kube.controllers.deployment.sync import Sync
from kprov.kube.controllers.ownership import Claims, controller_of

Object = dict[str, Any]


class DeploymentController(Controller):
    """Moves a deployment's pods to its template, within its strategy's bounds."""

    name = "deployment"
    account = "deployment-controller"
    component = "deployment-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sync = Sync(self.client, self.recorder)
        self.deployments = self.watch_keys(DEPLOYMENTS)
        self.sets = self.watch(
            REPLICA_SETS,
            owned=True,
            on_add=self._set_changed,
            on_update=self._set_updated,
            on_delete=self._set_changed,
        )
        self.pods = self.watch(PODS, owned=True, on_delete=self._pod_deleted)

    # -- events

    def _owner(self, replica_set: Object) -> Object | None:
        reference = controller_of(replica_set)
        if reference is None or reference["kind"] != DEPLOYMENTS.kind:
            return None
        owner = self.deployments.get(f"{replica_set['metadata']['namespace']}/{reference['name']}")
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def _set_changed(self, replica_set: Object) -> None:
        if (owner := self._owner(replica_set)) is not None:
            self.enqueue(owner)
        elif controller_of(replica_set) is None:
            labels = replica_set["metadata"].get("labels") or {}
            for deployment in self.deployments.list(replica_set["metadata"]["namespace"]):
                selector = selectors.from_label_selector(deployment["spec"].get("selector") or {})
                if labels and selectors.matches(selector, labels):
                    self.enqueue(deployment)

    def _set_updated(self, old: Object, new: Object) -> None:
        before = self._owner(old)
        if before is not None and controller_of(old) != controller_of(new):
            self.enqueue(before)
        self._set_changed(new)

    def _pod_deleted(self, pod: Object) -> None:
        """Recreate waits for the last old pod."""
        reference = controller_of(pod)
        if reference is None or reference["kind"] != REPLICA_SETS.kind:
            return
        replica_set = self.sets.get(f"{pod['metadata']['namespace']}/{reference['name']}")
        owner = self._owner(replica_set) if replica_set is not None else None
        if owner is not None and not numbers.is_rolling(owner):
            self.enqueue(owner)

    # -- reconciling

    async def reconcile(self, key: str) -> None:
        """Bring one deployment one step further and report."""
        deployment = self.deployments.get(key)
        if deployment is None:
            return
        if not deployment["spec"].get("selector"):
            return  # an empty selector would select every pod of the namespace
        sets = await self._claim(deployment)
        if deployment["metadata"].get("deletionTimestamp"):
            await self._report(deployment, sets, history.find_new(deployment, sets))
            return
        deployment = await self._sync.note_pause(deployment)
        if deployment["spec"].get("paused") or self._is_resized(deployment, sets):
            await self._resize(deployment, sets)
        elif numbers.is_rolling(deployment):
            await self._roll(deployment, sets)
        else:
            await self._recreate(deployment, sets)

    async def _claim(self, deployment: Object) -> list[Object]:
        selector = selectors.from_label_selector(deployment["spec"]["selector"])
        return await Claims(self.client, REPLICA_SETS, deployment, DEPLOYMENTS).claim(
            self.sets.by_index(OWNER_INDEX, deployment["metadata"]["uid"]),
            self.sets.by_index(OWNER_INDEX, ORPHANS + deployment["metadata"]["namespace"]),
            lambda rs: selectors.matches(selector, rs["metadata"].get("labels") or {}),
        )

    @staticmethod
    def _is_resized(deployment: Object, sets: list[Object]) -> bool:
        wanted = str(deployment["spec"].get("replicas", 1))
        return any(
            rs["spec"].get("replicas", 1) > 0
            and history.annotations_of(rs).get(history.DESIRED_REPLICAS, wanted) != wanted
            for rs in sets
        )

    async def _roll(self, deployment: Object, sets: list[Object]) -> None:
        deployment, new, old = await self._sync.sort_out(deployment, sets, create=True)
        if new is None:
            return
        size = rolling.scale_up(deployment, new, old)
        if size is not None:
            new = await self._sync.scale(deployment, new, size)
        else:
            sizes = rolling.scale_down(deployment, new, old)
            if sizes:
                for index, rs in enumerate(old):
                    target = sizes.get(rs["metadata"]["name"])
                    if target is not None:
                        old[index] = await self._sync.scale(deployment, rs, target)
            elif progress.is_complete(deployment, deployment.get("status") or {}):
                await self._sync.clean_up(deployment, old)
        await self._report(deployment, [*old, new], new)

    async def _recreate(self, deployment: Object, sets: list[Object]) -> None:
        deployment, new, old = await self._sync.sort_out(deployment, sets, create=False)
        shrunk = False
        for index, rs in enumerate(old):
            if rs["spec"].get("replicas", 1) > 0:
                old[index] = await self._sync.scale(deployment, rs, 0)
                shrunk = True
        if shrunk or self._old_pods_run(new, old):
            await self._report(deployment, [*old, *([new] if new else [])], new)
            return
        if new is None:
            deployment, new, old = await self._sync.sort_out(deployment, sets, create=True)
            if new is None:
                return
        wanted = deployment["spec"].get("replicas", 1)
        if new["spec"].get("replicas", 1) != wanted:
            new = await self._sync.scale(deployment, new, wanted)
        if progress.is_complete(deployment, deployment.get("status") or {}):
            await self._sync.clean_up(deployment, old)
        await self._report(deployment, [*old, new], new)

    def _old_pods_run(self, new: Object | None, old: list[Object]) -> bool:
        return any(
            not pod_state.is_finished(pod)
            for rs in old
            for pod in self.pods.by_index(OWNER_INDEX, rs["metadata"]["uid"])
        )

    async def _resize(self, deployment: Object, sets: list[Object]) -> None:
        """Scale without rolling: while paused, and when only the number of replicas changed."""
        deployment, new, old = await self._sync.sort_out(deployment, sets, create=False)
        sizes, order = self._scaled_sizes(deployment, new, old)
        scaled: dict[str, Object] = {}
        for rs in order:
            name = rs["metadata"]["name"]
            scaled[name] = await self._sync.scale(deployment, rs, sizes[name])
        if deployment["spec"].get("paused"):
            await self._sync.clean_up(deployment, old)
        everything = [scaled.get(rs["metadata"]["name"], rs) for rs in [*old, *([new] if new else [])]]
        current = scaled.get(new["metadata"]["name"], new) if new else None
        await self._report(deployment, everything, current)

    @staticmethod
    def _scaled_sizes(deployment: Object, new: Object | None, old: list[Object]) -> tuple[dict[str, int], list[Object]]:
        wanted = deployment["spec"].get("replicas", 1)
        everything = [*old, *([new] if new else [])]
        active = [rs for rs in everything if rs["spec"].get("replicas", 1) > 0]
        if len(active) <= 1:
            only = active[0] if active else new or max(old, key=history.oldest_first, default=None)
            return ({only["metadata"]["name"]: wanted}, [only]) if only else ({}, [])
        if new is not None and _is_saturated(deployment, new):
            shrink = [rs for rs in old if rs["spec"].get("replicas", 1) > 0]
            return {rs["metadata"]["name"]: 0 for rs in shrink}, shrink
        if not numbers.is_rolling(deployment):
            return {}, []
        return numbers.proportions(deployment, active), active

    async def _report(self, deployment: Object, sets: list[Object], new: Object | None) -> None:
        now = clock.seconds()
        status = progress.counts(deployment, sets, new)
        conditions = list((deployment.get("status") or {}).get("conditions") or ())
        status["conditions"] = progress.set_condition(conditions, progress.availability(deployment, status, now))
        status["conditions"] = progress.progress(deployment, status, new, now)
        failure = progress.replica_failure(sets, new)
        if failure is not None:
            status["conditions"] = progress.set_condition(status["conditions"], failure)
        else:
            status["conditions"] = [c for c in status["conditions"] if c["type"] != "ReplicaFailure"]
        cached = self.deployments.get(key_of(deployment)) or deployment
        if (cached.get("status") or {}) != status:
            await self._sync.write_status({**deployment, "status": status})
        self._wake_at_deadline(deployment, status, now)

    def _wake_at_deadline(self, deployment: Object, status: Object, now: float) -> None:
        """Look again when the rollout would be late: nothing else may happen until then."""
        current = pod_state.condition({"status": status}, "Progressing")
        if current is None or not progress.has_deadline(deployment):
            return
        if current.get("reason") in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"):
            return
        since = clock.parse_time(current.get("lastUpdateTime")) or now
        late = since + deployment["spec"]["progressDeadlineSeconds"] - now + 1
        self.queue.add_after(key_of(deployment), max(late, 1.0))


def _is_saturated(deployment: Object, new: Object) -> bool:
    wanted = deployment["spec"].get("replicas", 1)
    return bool(
        new["spec"].get("replicas", 1) == wanted
        and history.annotations_of(new).get(history.DESIRED_REPLICAS) == str(wanted)
        and (new.get("status") or {}).get("availableReplicas", 0) == wanted
    )
