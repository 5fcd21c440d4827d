"""InterPodAffinity: pods that want to be near others, or away from them, and what placed pods demand of newcomers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kprov.kube.scheduler.framework import MAX_SCORE, Cycle, Plugin, Rejection, Scores
from kprov.kube.scheduler.node_table import Counts, Mask
from kprov.kube.scheduler.pod_counts import per_domain
from kprov.kube.scheduler.terms import AffinityTerm


def near(cycle: Cycle, topology_key: str, counts: Counts) -> Counts:
    """For each node, how many are in its topology domain; 0 where the node is in none."""
    ids = cycle.table.label_ids(topology_key)
    return per_domain(ids, counts)[ids]  # -1 reads the last entry, which is 0


class InterPodAffinity(Plugin):
    """Required and preferred affinity and anti-affinity between pods, both ways.

    Args:
        hard_weight: what a placed pod's required affinity to the newcomer adds to a node's score.
    """

    name = "InterPodAffinity"

    def __init__(self, hard_weight: int = 1) -> None:
        self._hard_weight = hard_weight

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Nodes too far from what the pod needs, too near to what it shuns, or shunned for it by pods there."""
        pod = cycle.pod
        if pod.affinity and (far := self._far(cycle)) is not None:
            yield far, "node(s) didn't match pod affinity rules", False
        shunned: Mask | None = None
        for term in pod.anti_affinity:
            counts = cycle.cluster.counts(term.pods)
            if counts.any():
                mask = near(cycle, term.topology_key, counts) > 0
                shunned = mask if shunned is None else shunned | mask
        if shunned is not None:
            yield shunned, "node(s) didn't match pod anti-affinity rules", True
        refusing = self._refusing(cycle)
        if refusing is not None:
            if shunned is not None:
                refusing &= ~shunned  # one reason a node, the pod's own first
            yield refusing, "node(s) didn't satisfy existing pods anti-affinity rules", True

    def _far(self, cycle: Cycle) -> Mask | None:
        """Nodes where a required term is not met. A first pod that matches its own terms may go anywhere."""
        ok: Mask | None = None
        anywhere = True
        labelled = cycle.table.valid.copy()
        for term in cycle.pod.affinity:
            counts = self._meeting_all(cycle)
            labelled &= cycle.table.label_ids(term.topology_key) >= 0
            if counts.any():
                anywhere = False
            mask = near(cycle, term.topology_key, counts) > 0
            ok = mask if ok is None else ok & mask
        if anywhere and all(cycle.cluster.resolve(term.pods).matches(cycle.pod) for term in cycle.pod.affinity):
            return ~labelled
        return None if ok is None else ~ok

    def _meeting_all(self, cycle: Cycle) -> Counts:
        """Pods that match every required term at once: upstream counts only those."""
        terms = cycle.pod.affinity
        if len(terms) == 1:
            return cycle.cluster.counts(terms[0].pods)
        found: Counts | None = cycle.memo.get("affinity")
        if found is None:
            found = np.zeros(cycle.table.size, np.int64)
            resolved = [cycle.cluster.resolve(term.pods) for term in terms]
            candidates = np.flatnonzero(cycle.cluster.counts(terms[0].pods))
            for row in candidates:
                for other in cycle.cluster.pods_on[row].values():
                    found[row] += all(term.matches(other) for term in resolved)
            cycle.memo["affinity"] = found
        return found

    def _matching(self, cycle: Cycle, terms: Iterable[AffinityTerm]) -> list[AffinityTerm]:
        """The placed pods' terms that mean the newcomer."""
        return [term for term in terms if cycle.cluster.resolve(term.pods).matches(cycle.pod)]

    def _refusing(self, cycle: Cycle) -> Mask | None:
        carried = cycle.cluster.required_anti
        refusing: Mask | None = None
        for term in self._matching(cycle, carried.counts):
            mask = near(cycle, term.topology_key, carried.on(term, cycle.table.size)) > 0
            refusing = mask if refusing is None else refusing | mask
        return refusing

    def score(self, cycle: Cycle) -> Scores | None:
        """The weights of what the pod prefers and of what placed pods prefer, scaled between the worst and the best."""
        cluster, size = cycle.cluster, cycle.table.size
        total: Scores = np.zeros(size, np.int64)
        for term in cycle.pod.preferred:
            total += term.weight * near(cycle, term.topology_key, cluster.counts(term.pods))
        for term in self._matching(cycle, cluster.preferred.counts):
            total += term.weight * near(cycle, term.topology_key, cluster.preferred.on(term, size))
        if self._hard_weight:
            for term in self._matching(cycle, cluster.required_affinity.counts):
                counts = cluster.required_affinity.on(term, size)
                total += self._hard_weight * near(cycle, term.topology_key, counts)
        if not total.any():
            return None
        alive = total[cycle.alive]
        low, high = int(alive.min()), int(alive.max())
        return None if high == low else (total - low) * MAX_SCORE // (high - low)
