"""All pods of this machine: what the API wants, what the runtime has, and one worker for each."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.informer import Informer
from kprov.kube.kubelet.names import POD_NAME, POD_NAMESPACE, full_name
from kprov.kube.kubelet.pods.admission import forbidden_sysctl, refusal
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.records import PodRecord
from kprov.kube.kubelet.pods.relist import Relist
from kprov.kube.kubelet.pods.worker import PodWorker

log = logging.getLogger(__name__)

Pod = dict[str, Any]
HOUSEKEEPING = 60.0
NODE_SHUTDOWN = ("NodeShutdown", "Pod was rejected as the node is shutting down.")  # as upstream words it


class PodManager:
    """Starts, feeds and ends the workers."""

    def __init__(self, host: Host, pods: Informer, nodes: Informer) -> None:
        """``pods`` follows the pods bound to this node, ``nodes`` the node itself."""
        self.host, self._pods, self._nodes = host, pods, nodes
        self.workers: dict[str, PodWorker] = {}
        self.relist = Relist(host.runtime, self._runtime_changed)
        self._refused: set[str] = set()
        self._poke = asyncio.Event()
        self._closed = False  # the machine goes down

    async def run(self) -> None:
        """Work for ever; workers are stopped (not their containers) when this is cancelled."""
        # what the runtime has must be known before pods are admitted: those that run already come first
        await self._pods.wait_synced()
        while True:
            try:
                await self.relist.once()
                break
            except Exception as problem:
                log.warning("waiting for the container runtime: %s", problem)
                await asyncio.sleep(1)
        known = self.relist.uids()
        for pod in sorted(self._pods.list(), key=lambda pod: (pod["metadata"]["uid"] not in known, _created(pod))):
            self._add(pod)
        self._pods.add_handler(self._add, lambda _, new: self._update(new), self._remove)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.relist.run())
                group.create_task(self._keep_house())
        finally:
            await asyncio.gather(*(worker.stop() for worker in list(self.workers.values())))

    def _add(self, pod: Pod) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self.workers:
            self.workers[uid].update(pod)
            if self.host.statuses.overruled(pod):
                self.workers[uid].poke()
            return
        if uid in self._refused:
            return
        fresh = not pod["metadata"].get("deletionTimestamp") and uid not in self.relist.uids()
        if fresh and (pod.get("status") or {}).get("phase", "Pending") == "Pending":
            if self._closed and _is_the_nodes(pod):
                return  # it waits for this machine, here or after the boot; refused, it would be made again and again
            if not self._admit(pod):
                return
        self.workers[uid] = PodWorker(self.host, pod, self._gone)

    def _update(self, pod: Pod) -> None:
        uid = pod["metadata"]["uid"]
        for other in [worker for worker in self.workers.values() if worker.uid != uid and not worker.removed]:
            meta = other.pod["metadata"]
            if (meta["namespace"], meta["name"]) == (pod["metadata"]["namespace"], pod["metadata"]["name"]):
                other.remove()  # deleted and created again between two looks
        if uid in self._refused and pod["metadata"].get("deletionTimestamp"):
            self._refused.discard(uid)
        self._add(pod)

    def _remove(self, pod: Pod) -> None:
        uid = pod["metadata"]["uid"]
        self._refused.discard(uid)
        if worker := self.workers.get(uid):
            worker.update(pod)
            worker.remove()

    def _gone(self, uid: str) -> None:
        self.workers.pop(uid, None)

    def _runtime_changed(self, uid: str) -> None:
        if worker := self.workers.get(uid):
            worker.poke()

    def _admit(self, pod: Pod) -> bool:
        others = [
            worker.pod
            for worker in self.workers.values()
            if not worker.ended and (worker.pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        ]
        why = (
            (NODE_SHUTDOWN if self._closed else None)
            or forbidden_sysctl(pod, self.host.config.allowed_unsafe_sysctls)
            or refusal(pod, others, self.host.allocatable, self._nodes.get(self.host.node_name))
        )
        if why is None:
            return True
        reason, message = why
        self._refused.add(pod["metadata"]["uid"])
        self.host.event(pod, "Warning", reason, message.removeprefix("Pod was rejected: "), "")
        status = {
            **(pod.get("status") or {}),
            "phase": "Failed",
            "reason": reason,
            "message": message,
            "startTime": clock.now(),
        }
        self.host.statuses.put(pod, status)
        return False

    # ---- the machine goes down

    def running(self) -> list[PodWorker]:
        """The workers of pods that have not ended."""
        return [worker for worker in self.workers.values() if not worker.ended]

    def close_down(self) -> None:
        """Take no further pods."""
        self._closed = True

    def open_up(self) -> None:
        """Take pods again, those that came meanwhile first."""
        self._closed = False
        for pod in self._pods.list():
            self._add(pod)

    # ---- what is left over

    async def _keep_house(self) -> None:
        while True:
            try:
                await self.clear_orphans()
            except Exception:
                log.exception("clearing what is left of former pods failed; it is tried again")
            await asyncio.sleep(HOUSEKEEPING)

    async def clear_orphans(self) -> None:
        """End what runs here of pods that the API does not know, and remove folders and groups of pods that are gone.

        Done only on the word of a list that the API really gave: an API that is away removes nothing.
        """
        if not self._pods.synced:
            return
        wanted = {pod["metadata"]["uid"] for pod in self._pods.list()}
        for sandbox in await self.host.runtime.sandboxes():
            uid = sandbox.metadata.uid
            if uid and uid not in wanted and uid not in self.workers:
                await self._end_orphan(uid, sandbox.labels.get(POD_NAMESPACE, ""), sandbox.labels.get(POD_NAME, ""))
        for container in await self.host.runtime.containers():
            uid = container.labels.get("io.kubernetes.pod.uid", "")
            if uid and uid not in wanted and uid not in self.workers:
                labels = container.labels
                await self._end_orphan(uid, labels.get(POD_NAMESPACE, ""), labels.get(POD_NAME, ""))
        for uid in await asyncio.to_thread(self.host.volumes.on_disk) - wanted - self.workers.keys():
            log.info("removing the folders of pod %s, which is gone", uid)
            await self.host.volumes.remove(uid)
        for uid in await asyncio.to_thread(self.host.cgroups.pods) - wanted - self.workers.keys():
            if not self.host.cgroups.systemd:
                await asyncio.to_thread(self.host.cgroups.remove, uid)

    async def _end_orphan(self, uid: str, namespace: str, name: str) -> None:
        if uid in self.workers:
            return
        pod: Pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"uid": uid, "namespace": namespace, "name": name},
            "spec": {"containers": []},
            "status": {},
        }
        log.info("ending pod %s, which the API does not know", full_name(pod))
        worker = PodWorker(self.host, pod, self._gone)
        worker.remove()
        self.workers[uid] = worker

    # ---- what the node's HTTPS API asks

    def find(self, namespace: str, name: str, uid: str = "") -> PodWorker | None:
        """The worker of a pod by name; the newest where there are two."""
        found = [
            worker
            for worker in self.workers.values()
            if worker.pod["metadata"]["namespace"] == namespace
            and worker.pod["metadata"]["name"] == name
            and (not uid or worker.uid == uid)
        ]
        return max(found, key=lambda worker: not worker.removed, default=None)

    def count_running_pods(self) -> int:
        """How many pods have a sandbox that is up."""
        return sum(1 for worker in self.workers.values() if worker.record.sandbox and worker.record.sandbox.ready)

    def count_running_containers(self) -> int:
        """How many containers run."""
        return sum(len(worker.record.running) for worker in self.workers.values())

    def record(self, uid: str) -> PodRecord | None:
        """What runs of a pod."""
        worker = self.workers.get(uid)
        return worker.record if worker else None


def _is_the_nodes(pod: Pod) -> bool:
    """Whether a DaemonSet wants the pod on this very node."""
    owners = pod["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner.get("kind") == "DaemonSet" for owner in owners)


def _created(pod: Pod) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))
