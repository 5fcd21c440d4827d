"""How many pods match a term on each node, kept up to date as pods come and go.

The first question about a term counts all pods; from then on each pod that comes or goes is counted where it matches.
So the price of affinity and spreading is paid per change, not per pod to schedule.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kprov.kube.scheduler.node_table import Ids
from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.terms import AffinityTerm, PodTerm

RowCounts = NDArray[np.int64]
_TERMS_KEPT = 256  # terms that nobody asked about for longest are forgotten


def per_domain(ids: Ids, counts: RowCounts) -> RowCounts:
    """Add up rows' counts by the topology domain that each row is in; the last entry stands for "in none"."""
    domains = int(ids.max(initial=-1)) + 1
    sums = np.bincount(np.where(ids < 0, domains, ids), weights=counts, minlength=domains + 1).astype(np.int64)
    sums[domains] = 0
    return sums


class MatchingPods:
    """Counts, by row, the pods that match a term."""

    def __init__(self) -> None:
        self._counts: OrderedDict[PodTerm, RowCounts] = OrderedDict()
        self._by_namespace: dict[str, set[PodTerm]] = {}

    def counts(self, term: PodTerm, rows: int, capacity: int, pods: Iterable[tuple[PodInfo, int]]) -> RowCounts:
        """The counts of a resolved term; `pods` (with their rows) are read only at the first question."""
        found = self._counts.get(term)
        if found is None:
            found = np.zeros(capacity, np.int64)
            for pod, row in pods:
                if _counts(term, pod):
                    found[row] += 1
            self._counts[term] = found
            for namespace in term.namespaces:
                self._by_namespace.setdefault(namespace, set()).add(term)
            if len(self._counts) > _TERMS_KEPT:
                self._forget(self._counts.popitem(last=False)[0])
        else:
            self._counts.move_to_end(term)
        if len(found) < capacity:
            found = self._counts[term] = np.concatenate((found, np.zeros(capacity - len(found), np.int64)))
        return found[:rows]

    def change(self, pod: PodInfo, row: int, capacity: int, sign: int) -> None:
        """Count a pod that came (+1) or went (-1)."""
        for term in self._by_namespace.get(pod.namespace, ()):
            if _counts(term, pod):
                found = self._counts[term]
                if row >= len(found):
                    found = np.concatenate((found, np.zeros(capacity - len(found), np.int64)))
                    self._counts[term] = found
                found[row] += sign

    def _forget(self, term: PodTerm) -> None:
        for namespace in term.namespaces:
            terms = self._by_namespace.get(namespace)
            if terms is not None:
                terms.discard(term)
                if not terms:
                    del self._by_namespace[namespace]


def _counts(term: PodTerm, pod: PodInfo) -> bool:
    return not (term.running_only and pod.terminating) and term.matches(pod)


class CarriedTerms:
    """Counts, by row, the pods that carry an affinity term of their own: what placed pods demand of newcomers."""

    def __init__(self) -> None:
        self.counts: dict[AffinityTerm, RowCounts] = {}
        self._carriers: dict[AffinityTerm, int] = {}

    def change(self, terms: Iterable[AffinityTerm], row: int, capacity: int, sign: int) -> None:
        """Count a pod with these terms that came (+1) or went (-1)."""
        for term in terms:
            found = self.counts.get(term)
            if found is None:
                found = self.counts[term] = np.zeros(capacity, np.int64)
            elif row >= len(found):
                found = self.counts[term] = np.concatenate((found, np.zeros(capacity - len(found), np.int64)))
            found[row] += sign
            carriers = self._carriers.get(term, 0) + sign
            if carriers > 0:
                self._carriers[term] = carriers
            else:
                self._carriers.pop(term, None)
                del self.counts[term]

    def on(self, term: AffinityTerm, rows: int) -> RowCounts:
        """The counts of a term on the first `rows` rows."""
        found = self.counts[term]
        if len(found) < rows:
            found = self.counts[term] = np.concatenate((found, np.zeros(rows - len(found), np.int64)))
        return found[:rows]
