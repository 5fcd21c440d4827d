"""What happens in the cluster, told to the believed cluster and to the queue.

Each kind of change names the plugins whose rejections it could lift, as upstream's EventsToRegister does: pods that
wait for something else are left alone.
"""

from __future__ import annotations

from collections.abc import Collection

from kprov.kube.api.informer import Informer
from kprov.kube.api.informer_factory import InformerFactory
from kprov.kube.api.kinds import (
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
    Object,
)
from kprov.kube.scheduler import node_table, pod_info
from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.pod_info import PodInfo, is_finished
from kprov.kube.scheduler.queue import SchedulingQueue

POD_LEFT = ("NodeResourcesFit", "NodePorts", "InterPodAffinity", "PodTopologySpread")
POD_CAME = ("InterPodAffinity", "PodTopologySpread")
VOLUMES_CHANGED = ("VolumeBinding",)


class Watching:
    """Keeps a cluster and a queue up to date.

    Args:
        factory: gives the informers; they are followed from construction on.
        cluster: what is believed.
        queue: the pods that wait.
        profiles: the schedulerNames that are ours.
    """

    def __init__(
        self, factory: InformerFactory, cluster: Cluster, queue: SchedulingQueue, profiles: Collection[str]
    ) -> None:
        self._cluster, self._queue, self._profiles = cluster, queue, profiles
        self.nodes = factory.informer(NODES, transform=node_table.slim)
        self.nodes.add_handler(self._node_added, self._node_changed, self._node_gone)
        self.namespaces = factory.informer(NAMESPACES)
        self.namespaces.add_handler(self._namespace, lambda old, new: self._namespace(new), self._namespace_gone)
        self.claims = self._volumes(factory.informer(PERSISTENT_VOLUME_CLAIMS))
        self.volumes = self._volumes(factory.informer(PERSISTENT_VOLUMES))
        self.classes = self._volumes(factory.informer(STORAGE_CLASSES))
        alive = "status.phase!=Succeeded,status.phase!=Failed"
        self.pods = factory.informer(PODS, field_selector=alive, transform=pod_info.slim)
        self.pods.add_handler(self._pod_added, self._pod_changed, self._pod_gone)

    def _volumes(self, informer: Informer) -> Informer:
        def changed(*_: Object) -> None:
            self._queue.event(VOLUMES_CHANGED)

        informer.add_handler(changed, changed, changed)
        return informer

    # -- nodes ----------------------------------------------------------------------------------------------------

    def _node_added(self, node: Object) -> None:
        self._cluster.put_node(node)
        self._queue.event(None)

    def _node_changed(self, old: Object, new: Object) -> None:
        if _node_facts(old) == _node_facts(new):
            return  # a heartbeat
        self._cluster.put_node(new)
        self._queue.event(None)

    def _node_gone(self, node: Object) -> None:
        self._cluster.remove_node(node["metadata"]["name"])
        self._queue.event(("PodTopologySpread", "InterPodAffinity"))

    # -- namespaces -----------------------------------------------------------------------------------------------

    def _namespace(self, namespace: Object) -> None:
        self._cluster.put_namespace(namespace["metadata"]["name"], namespace["metadata"].get("labels") or {})
        self._queue.event(("InterPodAffinity",))

    def _namespace_gone(self, namespace: Object) -> None:
        self._cluster.put_namespace(namespace["metadata"]["name"], None)

    # -- pods -----------------------------------------------------------------------------------------------------

    def _is_ours(self, pod: PodInfo) -> bool:
        return (pod.spec.get("schedulerName") or "default-scheduler") in self._profiles

    def _pod_added(self, obj: Object) -> None:
        pod = PodInfo(obj)
        if pod.node_name:
            self._queue.remove(pod.uid)
            self._cluster.put_pod(pod, pod.node_name)
            self._queue.event(POD_CAME)
        elif self._is_ours(pod) and not pod.terminating and not is_finished(obj):
            self._nominate(pod)
            self._queue.add(pod)

    def _pod_changed(self, old_object: Object, obj: Object) -> None:
        pod = PodInfo(obj)
        if is_finished(obj):
            self._pod_gone(obj)
        elif pod.node_name:
            self._placed_pod_changed(PodInfo(old_object), pod)
        elif pod.terminating:
            self._forget_waiting(pod)
        elif self._is_ours(pod) and not self._cluster.is_assumed(pod.uid):
            self._nominate(pod)
            if _pod_facts(old_object) == _pod_facts(obj):
                self._queue.refresh(pod)  # our own words about it came back
            else:
                self._queue.update(pod)

    def _placed_pod_changed(self, old: PodInfo, pod: PodInfo) -> None:
        if not old.node_name:
            self._queue.remove(pod.uid)
            self._cluster.nominated.pop(pod.uid, None)
        elif _pod_facts(old.object) == _pod_facts(pod.object):
            return
        self._cluster.put_pod(pod, pod.node_name)
        if not old.node_name or old.labels != pod.labels or pod.terminating:
            self._queue.event(POD_CAME)
        if old.node_name and old.requests != pod.requests:
            self._queue.event(POD_LEFT)

    def _pod_gone(self, obj: Object) -> None:
        pod = PodInfo(obj)
        self._forget_waiting(pod)
        if self._cluster.node_of(pod.uid) is not None:
            self._cluster.remove_pod(pod.uid)
            self._queue.event(POD_LEFT)

    def _forget_waiting(self, pod: PodInfo) -> None:
        self._queue.remove(pod.uid)
        if self._cluster.nominated.pop(pod.uid, None):
            self._queue.event(("NodeResourcesFit", "NodePorts"))

    def _nominate(self, pod: PodInfo) -> None:
        if promised := (pod.object.get("status") or {}).get("nominatedNodeName"):
            self._cluster.nominated[pod.uid] = (pod, promised)


def _node_facts(node: Object) -> tuple[object, ...]:
    status = node.get("status") or {}
    return (node["metadata"].get("labels"), node.get("spec"), status.get("allocatable"), status.get("images"))


def _pod_facts(pod: Object) -> tuple[object, ...]:
    metadata = pod["metadata"]
    return (metadata.get("labels"), metadata.get("deletionTimestamp"), pod.get("spec"))
