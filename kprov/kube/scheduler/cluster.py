"""The cluster as the scheduler believes it to be: nodes, the pods on them, and the pods about to be on them.

A decision is assumed at once, so that the next one counts with it while the binding is still on its way; a failed
binding is undone.
"""

from __future__ import annotations

from collections.abc import Iterator

from kprov.kube.api.kinds import Object
from kprov.kube.api.selectors import Selector
from kprov.kube.scheduler.node_table import NodeTable
from kprov.kube.scheduler.pod_counts import CarriedTerms, MatchingPods, RowCounts
from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.terms import PodTerm


class Cluster:
    """Nodes as arrays, pods by node, and counts that the plugins ask for."""

    def __init__(self) -> None:
        self.table = NodeTable()
        self.pods_on: list[dict[str, PodInfo]] = []
        self.rows_with_ports: set[int] = set()
        self.matching = MatchingPods()
        self.required_anti = CarriedTerms()
        self.required_affinity = CarriedTerms()
        self.preferred = CarriedTerms()
        self.nominated: dict[str, tuple[PodInfo, str]] = {}
        self._where: dict[str, tuple[PodInfo, str]] = {}
        self._assumed: set[str] = set()
        self._homeless: dict[str, dict[str, PodInfo]] = {}
        self._namespaces: dict[str, dict[str, str]] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """How much is known, by upstream's names."""
        return {"nodes": self.table.count, "pods": len(self._where), "assumed_pods": len(self._assumed)}

    # -- namespaces -----------------------------------------------------------------------------------------------

    def put_namespace(self, name: str, labels: dict[str, str] | None) -> None:
        """Remember a namespace's labels; None forgets it."""
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels

    def matching_namespaces(self, selector: Selector) -> frozenset[str]:
        """The namespaces whose labels match."""
        return frozenset(name for name, labels in self._namespaces.items() if selector.matches(labels))

    # -- nodes ----------------------------------------------------------------------------------------------------

    def put_node(self, node: Object) -> None:
        """Add a node, or take over its new state."""
        name = node["metadata"]["name"]
        row = self.table.put(node)
        while len(self.pods_on) <= row:
            self.pods_on.append({})
        for pod in self._homeless.pop(name, {}).values():
            self._place(pod, row)

    def remove_node(self, name: str) -> None:
        """Forget a node. Its pods are kept aside: the node may come back before they are gone."""
        row = self.table.row_of.get(name)
        if row is None:
            return
        for pod in list(self.pods_on[row].values()):
            self._displace(pod, row)
            self._homeless.setdefault(name, {})[pod.uid] = pod
        self.table.remove(name)

    # -- pods -----------------------------------------------------------------------------------------------------

    def put_pod(self, pod: PodInfo, node: str) -> None:
        """A pod is on a node, by the API server's word; replaces what was assumed or known of it."""
        self.remove_pod(pod.uid)
        self._where[pod.uid] = (pod, node)
        row = self.table.row_of.get(node)
        if row is None:
            self._homeless.setdefault(node, {})[pod.uid] = pod
        else:
            self._place(pod, row)

    def remove_pod(self, uid: str) -> None:
        """A pod is on no node (any more)."""
        self._assumed.discard(uid)
        found = self._where.pop(uid, None)
        if found is None:
            return
        pod, node = found
        row = self.table.row_of.get(node)
        if row is not None and uid in self.pods_on[row]:
            self._displace(pod, row)
        elif uid in (homeless := self._homeless.get(node, {})):
            del homeless[uid]
            if not homeless:
                del self._homeless[node]

    def assume(self, pod: PodInfo, node: str) -> None:
        """Count with a pod on a node before the API server knows."""
        self.put_pod(pod, node)
        self._assumed.add(pod.uid)

    def forget(self, uid: str) -> bool:
        """Undo an assumption that the API server has not confirmed. Returns whether there was one."""
        if uid not in self._assumed:
            return False
        self.remove_pod(uid)
        return True

    def is_assumed(self, uid: str) -> bool:
        """Whether a pod is counted on a node without the API server's word."""
        return uid in self._assumed

    def node_of(self, uid: str) -> str | None:
        """The node that a pod is counted on."""
        found = self._where.get(uid)
        return found[1] if found else None

    def placed(self) -> Iterator[tuple[PodInfo, int]]:
        """All pods on known nodes, with their rows."""
        for row, pods in enumerate(self.pods_on):
            for pod in pods.values():
                yield pod, row

    @property
    def pod_count(self) -> int:
        """How many pods are counted on nodes."""
        return len(self._where)

    def counts(self, term: PodTerm) -> RowCounts:
        """How many pods match a term on each node, by row."""
        resolved = self.resolve(term)
        return self.matching.counts(resolved, self.table.size, self.table.capacity, self.placed())

    def resolve(self, term: PodTerm) -> PodTerm:
        """A term with its namespaces spelled out."""
        if term.namespace_selector is None:
            return term
        named = term.namespaces | self.matching_namespaces(term.namespace_selector)
        return PodTerm(term.selector, named, None, term.running_only)

    def _place(self, pod: PodInfo, row: int) -> None:
        self.pods_on[row][pod.uid] = pod
        self._count(pod, row, 1)

    def _displace(self, pod: PodInfo, row: int) -> None:
        del self.pods_on[row][pod.uid]
        self._count(pod, row, -1)

    def _count(self, pod: PodInfo, row: int, sign: int) -> None:
        capacity = self.table.capacity
        self.table.take(row, pod.requests, pod.nonzero_cpu, pod.nonzero_memory, sign)
        self.matching.change(pod, row, capacity, sign)
        if pod.anti_affinity:
            self.required_anti.change(pod.anti_affinity, row, capacity, sign)
        if pod.affinity:
            self.required_affinity.change(pod.affinity, row, capacity, sign)
        if pod.preferred:
            self.preferred.change(pod.preferred, row, capacity, sign)
        if pod.ports:
            if sign > 0 or any(other.ports for other in self.pods_on[row].values()):
                self.rows_with_ports.add(row)
            else:
                self.rows_with_ports.discard(row)
