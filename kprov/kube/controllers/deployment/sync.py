"""What a deployment's ways (rolling, recreating, resizing) have in common: the writes to its ReplicaSets and to itself.

Source: upstream's pkg/controller/deployment/sync.go.
"""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.events import EventRecorder
from kprov.kube.api.kinds import DEPLOYMENTS, REPLICA_SETS
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.deployment import history, numbers, progress
from kprov.kube.controllers.ownership import is_controlled_by
from kprov.kube.controllers.pod_control import namespace_is_terminating
from kprov.kube.controllers.template import same_template

Object = dict[str, Any]


class Sync:
    """Writes what a sync has decided.

    Args:
        client: the API server.
        recorder: tells of it in events.
    """

    def __init__(self, client: ApiClient, recorder: EventRecorder) -> None:
        self._client, self._recorder = client, recorder

    async def note_pause(self, deployment: Object) -> Object:
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
        return await self.write_status(_progressing(deployment, "Unknown", reason, message))

    async def write_status(self, deployment: Object) -> Object:
        """Write a deployment's status. Returns the deployment as it is stored now."""
        written: Object = await self._client.update(DEPLOYMENTS, deployment, subresource="status")
        return written

    async def sort_out(
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
                new = await self._client.update(
                    REPLICA_SETS,
                    {
                        **new,
                        "metadata": {**new["metadata"], "annotations": wanted},
                        "spec": {**new["spec"], "minReadySeconds": ready_wait},
                    },
                )
            deployment = await self._note_revision(deployment, history.annotations_of(new)[history.REVISION])
            return self._note_found(deployment, new), new, old
        if not create:
            return deployment, None, old
        built = history.build_new(deployment, revision)
        built["spec"]["replicas"] = numbers.new_set_replicas(deployment, [*old, built], built)
        try:
            new = await self._client.create(REPLICA_SETS, built, deployment["metadata"]["namespace"])
        except ApiError as error:
            return await self._creation_failed(error, deployment, built), None, old
        assert new is not None
        if built["spec"]["replicas"]:
            self._recorder.event(
                deployment,
                "Normal",
                "ScalingReplicaSet",
                f"Scaled up replica set {new['metadata']['name']} from 0 to {built['spec']['replicas']}",
            )
        if progress.has_deadline(deployment):
            message = f'Created new replica set "{new["metadata"]["name"]}"'
            deployment = _progressing(deployment, "True", "NewReplicaSetCreated", message)
        return await self._note_revision(deployment, str(revision)), new, old

    async def _creation_failed(self, error: ApiError, deployment: Object, built: Object) -> Object:
        if is_already_exists(error):
            existing = await self._client.get(REPLICA_SETS, built["metadata"]["name"], built["metadata"]["namespace"])
            if is_controlled_by(existing, deployment) and same_template(
                existing["spec"]["template"], deployment["spec"]["template"]
            ):
                raise error  # ours, and the cache is behind
            status = dict(deployment.get("status") or {})
            status["collisionCount"] = (status.get("collisionCount") or 0) + 1
            await self.write_status({**deployment, "status": status})
            raise error
        if namespace_is_terminating(error):
            return deployment
        message = f'Failed to create new replica set "{built["metadata"]["name"]}": {error.message}'
        if progress.has_deadline(deployment):
            await self.write_status(_progressing(deployment, "False", "ReplicaSetCreateError", message))
        self._recorder.event(deployment, "Warning", "ReplicaSetCreateError", message)
        raise error

    async def _note_revision(self, deployment: Object, revision: str) -> Object:
        if history.annotations_of(deployment).get(history.REVISION) == revision:
            return deployment
        wanted = {**history.annotations_of(deployment), history.REVISION: revision}
        updated = await self._client.update(
            DEPLOYMENTS, {**deployment, "metadata": {**deployment["metadata"], "annotations": wanted}}
        )
        # The status is not ours to write here; keep the conditions that this sync prepared.
        return {**updated, "status": deployment.get("status") or {}}

    @staticmethod
    def _note_found(deployment: Object, new: Object) -> Object:
        if not progress.has_deadline(deployment) or pod_state.condition(deployment, "Progressing") is not None:
            return deployment
        message = f'Found new replica set "{new["metadata"]["name"]}"'
        return _progressing(deployment, "True", "FoundNewReplicaSet", message)

    async def scale(self, deployment: Object, rs: Object, size: int) -> Object:
        """Set a ReplicaSet's replicas, and note of which size the deployment is. Returns it as it is stored now."""
        wanted = history.size_annotations(deployment)
        before = rs["spec"].get("replicas", 1)
        if before == size and wanted.items() <= history.annotations_of(rs).items():
            return rs
        updated: Object = await self._client.update(
            REPLICA_SETS,
            {
                **rs,
                "metadata": {**rs["metadata"], "annotations": {**history.annotations_of(rs), **wanted}},
                "spec": {**rs["spec"], "replicas": size},
            },
        )
        if before != size:
            word = "up" if before < size else "down"
            self._recorder.event(
                deployment,
                "Normal",
                "ScalingReplicaSet",
                f"Scaled {word} replica set {rs['metadata']['name']} from {before} to {size}",
            )
        return updated

    async def clean_up(self, deployment: Object, old: list[Object]) -> None:
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
                await self._client.delete(
                    REPLICA_SETS, rs["metadata"]["name"], rs["metadata"]["namespace"], uid=rs["metadata"]["uid"]
                )
            except ApiError as error:
                if not is_not_found(error):
                    raise


def _progressing(deployment: Object, truth: str, reason: str, message: str) -> Object:
    """A deployment with this Progressing condition."""
    status = dict(deployment.get("status") or {})
    condition = progress.make_condition("Progressing", truth, reason, message, clock.seconds())
    status["conditions"] = progress.set_condition(list(status.get("conditions") or ()), condition)
    return {**deployment, "status": status}
