"""The deployment controller: one sync of one deployment, from its ReplicaSets to its status."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock, selectors
from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import ORPHANS, OWNER_INDEX, Context, Controller
from kprov.kube.controllers.deployment import history, numbers, progress, rolling
from kprov.kube.controllers.ownership import Claims, controller_of, is_controlled_by
from kprov.kube.controllers.pod_control import namespace_is_terminating
from kprov.kube.controllers.template import same_template

Object = dict[str, Any]


class DeploymentController(Controller):
    """Moves a deployment's pods to its template, within its strategy's bounds."""

    name = "deployment"
    account = "deployment-controller"
    component = "deployment-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
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
        deployment = await self._note_pause(deployment)
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

    async def _note_pause(self, deployment: Object) -> Object:
        """Keep the Progressing condition from timing out during a pause."""
        if not progress.has_deadline(deployment):
            return deployment
        current = pod_state.condition(deployment, "Progressing")
        if current is not None and current.get("reason") == "ProgressDeadlineExceeded":
            return deployment
        paused = bool(deployment["spec"].get("paused"))
        noted = current is not None and current.get("reason") == "DeploymentPaused"
        if paused == noted:
            return deployment
        reason, message = (
            ("DeploymentPaused", "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
        )
        status = dict(deployment.get("status") or {})
        status["conditions"] = progress.set_condition(
            list(status.get("conditions") or ()),
            progress.make_condition("Progressing", "Unknown", reason, message, clock.seconds()),
        )
        return await self._write_status({**deployment, "status": status})

    async def _write_status(self, deployment: Object) -> Object:
        written: Object = await self.client.update(DEPLOYMENTS, deployment, subresource="status")
        return written

    @staticmethod
    def _is_resized(deployment: Object, sets: list[Object]) -> bool:
        wanted = str(deployment["spec"].get("replicas", 1))
        return any(
            rs["spec"].get("replicas", 1) > 0
            and history.annotations_of(rs).get(history.DESIRED_REPLICAS, wanted) != wanted
            for rs in sets
        )

    async def _roll(self, deployment: Object, sets: list[Object]) -> None:
        deployment, new, old = await self._sort_out(deployment, sets, create=True)
        if new is None:
            return
        size = rolling.scale_up(deployment, new, old)
        if size is not None:
            new = await self._scale(deployment, new, size)
        else:
            sizes = rolling.scale_down(deployment, new, old)
            if sizes:
                for index, rs in enumerate(old):
                    target = sizes.get(rs["metadata"]["name"])
                    if target is not None:
                        old[index] = await self._scale(deployment, rs, target)
            elif progress.is_complete(deployment, deployment.get("status") or {}):
                await self._clean_up(deployment, old)
        await self._report(deployment, [*old, new], new)

    async def _recreate(self, deployment: Object, sets: list[Object]) -> None:
        deployment, new, old = await self._sort_out(deployment, sets, create=False)
        shrunk = False
        for index, rs in enumerate(old):
            if rs["spec"].get("replicas", 1) > 0:
                old[index] = await self._scale(deployment, rs, 0)
                shrunk = True
        if shrunk or self._old_pods_run(new, old):
            await self._report(deployment, [*old, *([new] if new else [])], new)
            return
        if new is None:
            deployment, new, old = await self._sort_out(deployment, sets, create=True)
            if new is None:
                return
        wanted = deployment["spec"].get("replicas", 1)
        if new["spec"].get("replicas", 1) != wanted:
            new = await self._scale(deployment, new, wanted)
        if progress.is_complete(deployment, deployment.get("status") or {}):
            await self._clean_up(deployment, old)
        await self._report(deployment, [*old, new], new)

    def _old_pods_run(self, new: Object | None, old: list[Object]) -> bool:
        return any(
            not pod_state.is_finished(pod)
            for rs in old
            for pod in self.pods.by_index(OWNER_INDEX, rs["metadata"]["uid"])
        )

    async def _resize(self, deployment: Object, sets: list[Object]) -> None:
        """Scale without rolling: while paused, and when only the number of replicas changed."""
        deployment, new, old = await self._sort_out(deployment, sets, create=False)
        sizes, order = self._scaled_sizes(deployment, new, old)
        scaled: dict[str, Object] = {}
        for rs in order:
            name = rs["metadata"]["name"]
            scaled[name] = await self._scale(deployment, rs, sizes[name])
        if deployment["spec"].get("paused"):
            await self._clean_up(deployment, old)
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

    async def _sort_out(
        self, deployment: Object, sets: list[Object], *, create: bool
    ) -> tuple[Object, Object | None, list[Object]]:
        """(deployment, new set, old sets), with revisions and inherited annotations brought up to date."""
        new = history.find_new(deployment, sets)
        old = [rs for rs in sets if rs is not new]
        revision = max((history.revision_of(rs) for rs in old), default=0) + 1
        if new is not None:
            wanted = history.inherited_annotations(deployment, new, revision)
            ready_wait = deployment["spec"].get("minReadySeconds") or 0
            if wanted != history.annotations_of(new) or (new["spec"].get("minReadySeconds") or 0) != ready_wait:
                new = await self.client.update(
                    REPLICA_SETS,
                    {
                        **new,
                        "metadata": {**new["metadata"], "annotations": wanted},
                        "spec": {**new["spec"], "minReadySeconds": ready_wait},
                    },
                )
            deployment = await self._note_revision(deployment, history.annotations_of(new)[history.REVISION])
            return await self._note_found(deployment, new), new, old
        if not create:
            return deployment, None, old
        built = history.build_new(deployment, revision)
        built["spec"]["replicas"] = numbers.new_set_replicas(deployment, [*old, built], built)
        try:
            new = await self.client.create(REPLICA_SETS, built, deployment["metadata"]["namespace"])
        except ApiError as error:
            return await self._creation_failed(error, deployment, built), None, old
        assert new is not None
        if built["spec"]["replicas"]:
            self.recorder.event(
                deployment,
                "Normal",
                "ScalingReplicaSet",
                f"Scaled up replica set {new['metadata']['name']} from 0 to {built['spec']['replicas']}",
            )
        status = dict(deployment.get("status") or {})
        if progress.has_deadline(deployment):
            created = progress.make_condition(
                "Progressing",
                "True",
                "NewReplicaSetCreated",
                f'Created new replica set "{new["metadata"]["name"]}"',
                clock.seconds(),
            )
            status["conditions"] = progress.set_condition(list(status.get("conditions") or ()), created)
        deployment = await self._note_revision({**deployment, "status": status}, str(revision))
        return deployment, new, old

    async def _creation_failed(self, error: ApiError, deployment: Object, built: Object) -> Object:
        if is_already_exists(error):
            existing = await self.client.get(REPLICA_SETS, built["metadata"]["name"], built["metadata"]["namespace"])
            if is_controlled_by(existing, deployment) and same_template(
                existing["spec"]["template"], deployment["spec"]["template"]
            ):
                raise error  # ours, and the cache is behind
            status = dict(deployment.get("status") or {})
            status["collisionCount"] = (status.get("collisionCount") or 0) + 1
            await self._write_status({**deployment, "status": status})
            raise error
        if namespace_is_terminating(error):
            return deployment
        message = f'Failed to create new replica set "{built["metadata"]["name"]}": {error.message}'
        if progress.has_deadline(deployment):
            status = dict(deployment.get("status") or {})
            failed = progress.make_condition("Progressing", "False", "ReplicaSetCreateError", message, clock.seconds())
            status["conditions"] = progress.set_condition(list(status.get("conditions") or ()), failed)
            await self._write_status({**deployment, "status": status})
        self.recorder.event(deployment, "Warning", "ReplicaSetCreateError", message)
        raise error

    async def _note_revision(self, deployment: Object, revision: str) -> Object:
        if history.annotations_of(deployment).get(history.REVISION) == revision:
            return deployment
        wanted = {**history.annotations_of(deployment), history.REVISION: revision}
        updated = await self.client.update(
            DEPLOYMENTS, {**deployment, "metadata": {**deployment["metadata"], "annotations": wanted}}
        )
        # The status is not ours to write here; keep the conditions that this sync prepared.
        return {**updated, "status": deployment.get("status") or {}}

    @staticmethod
    async def _note_found(deployment: Object, new: Object) -> Object:
        if not progress.has_deadline(deployment) or pod_state.condition(deployment, "Progressing") is not None:
            return deployment
        found = progress.make_condition(
            "Progressing",
            "True",
            "FoundNewReplicaSet",
            f'Found new replica set "{new["metadata"]["name"]}"',
            clock.seconds(),
        )
        status = dict(deployment.get("status") or {})
        status["conditions"] = progress.set_condition(list(status.get("conditions") or ()), found)
        return {**deployment, "status": status}

    async def _scale(self, deployment: Object, rs: Object, size: int) -> Object:
        wanted = history.size_annotations(deployment)
        before = rs["spec"].get("replicas", 1)
        if before == size and wanted.items() <= history.annotations_of(rs).items():
            return rs
        updated: Object = await self.client.update(
            REPLICA_SETS,
            {
                **rs,
                "metadata": {**rs["metadata"], "annotations": {**history.annotations_of(rs), **wanted}},
                "spec": {**rs["spec"], "replicas": size},
            },
        )
        if before != size:
            word = "up" if before < size else "down"
            self.recorder.event(
                deployment,
                "Normal",
                "ScalingReplicaSet",
                f"Scaled {word} replica set {rs['metadata']['name']} from {before} to {size}",
            )
        return updated

    async def _clean_up(self, deployment: Object, old: list[Object]) -> None:
        """Delete old sets beyond the history limit: empty ones only, lowest revision first."""
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        surplus = len(candidates := [rs for rs in old if not rs["metadata"].get("deletionTimestamp")]) - limit
        if surplus <= 0:
            return
        candidates.sort(key=lambda rs: (history.revision_of(rs), history.oldest_first(rs)))
        for rs in candidates[:surplus]:
            status = rs.get("status") or {}
            idle = not status.get("replicas") and not rs["spec"].get("replicas", 1)
            if not idle or rs["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
                continue
            try:
                await self.client.delete(
                    REPLICA_SETS, rs["metadata"]["name"], rs["metadata"]["namespace"], uid=rs["metadata"]["uid"]
                )
            except ApiError as error:
                if not is_not_found(error):
                    raise

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
            await self._write_status({**deployment, "status": status})
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
