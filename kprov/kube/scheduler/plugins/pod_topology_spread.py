"""PodTopologySpread: pods of a kind spread evenly over zones, nodes or other domains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from kprov.kube.api.selectors import Selector
from kprov.kube.api.tolerations import first_untolerated
from kprov.kube.scheduler.framework import MAX_SCORE, Cycle, Plugin, Rejection, Scores
from kprov.kube.scheduler.node_table import Mask
from kprov.kube.scheduler.plugins.node_affinity import eligible
from kprov.kube.scheduler.pod_counts import per_domain
from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.terms import PodTerm, SpreadConstraint

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
_REASON = "node(s) didn't match pod topology spread constraints"
_SYSTEM_DEFAULTS = ((ZONE, 5), (HOSTNAME, 3))

DefaultSelector = Callable[[PodInfo], Selector | None]
"""Finds what selects a pod (its Services and its owner): the pods that the default constraints spread it from."""


class PodTopologySpread(Plugin):
    """Hard constraints filter; soft ones, and the system's defaults, score.

    Args:
        default_selector: finds the pods that one without constraints should be spread from; None: no defaults.
    """

    name = "PodTopologySpread"

    def __init__(self, default_selector: DefaultSelector | None = None) -> None:
        self._default_selector = default_selector

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Nodes without the label, and nodes whose domain would have too many more than the emptiest."""
        hard = [constraint for constraint in cycle.pod.spread if constraint.hard]
        if not hard:
            return
        table = cycle.table
        unlabelled = np.zeros(table.size, np.bool_)
        for constraint in hard:
            unlabelled |= table.label_ids(constraint.topology_key) < 0
        if unlabelled.any():
            yield unlabelled, f"{_REASON} (missing required label)", False
        skewed = np.zeros(table.size, np.bool_)
        for constraint in hard:
            skewed |= self._skewed(cycle, constraint, unlabelled)
        yield skewed & ~unlabelled, _REASON, True

    def _skewed(self, cycle: Cycle, constraint: SpreadConstraint, unlabelled: Mask) -> Mask:
        ids = cycle.table.label_ids(constraint.topology_key)
        counted = self._counted(cycle, constraint) & ~unlabelled
        sums = per_domain(ids, np.where(counted, cycle.cluster.counts(constraint.pods), 0))
        domains = np.zeros(len(sums), np.bool_)
        domains[ids[counted]] = True
        present = int(domains.sum())
        least = int(sums[domains].min()) if present else 0
        if present < constraint.min_domains:
            least = 0
        itself = int(constraint.pods.matches(cycle.pod))
        return sums[ids] + itself - least > constraint.max_skew

    def _counted(self, cycle: Cycle, constraint: SpreadConstraint) -> Mask:
        """The nodes whose pods and domains count."""
        mask = eligible(cycle) if constraint.honor_affinity else cycle.table.valid
        if constraint.honor_taints:
            mask = mask & cycle.static("PodTopologySpread/taints", lambda: self._tolerable(cycle))
        return mask

    def _tolerable(self, cycle: Cycle) -> Mask:
        tolerations = cycle.pod.tolerations
        return np.array([not (t and first_untolerated(t, tolerations)) for t in cycle.table.taints], np.bool_)

    def _soft(self, cycle: Cycle) -> list[SpreadConstraint]:
        pod = cycle.pod
        if pod.spread or self._default_selector is None:
            return [constraint for constraint in pod.spread if not constraint.hard]
        selector = self._default_selector(pod)
        if selector is None or selector.everything:
            return []
        term = PodTerm(selector, frozenset((pod.namespace,)), None, True)
        return [SpreadConstraint(term, key, skew, False, from_defaults=True) for key, skew in _SYSTEM_DEFAULTS]

    def score(self, cycle: Cycle) -> Scores | None:
        """The fewer pods of the kind in a node's domains, the better; domains weigh by how many there are."""
        soft = self._soft(cycle)
        if not soft:
            return None
        table = cycle.table
        ignored = np.zeros(table.size, np.bool_)
        for constraint in soft:
            if not constraint.from_defaults:  # the defaults must not punish clusters without zones
                ignored |= table.label_ids(constraint.topology_key) < 0
        scored = cycle.alive & ~ignored
        if not scored.any():
            return None
        total = np.zeros(table.size, np.float64)
        for constraint in soft:
            ids = table.label_ids(constraint.topology_key)
            counted = self._counted(cycle, constraint) & (ids >= 0)
            sums = per_domain(ids, np.where(counted, cycle.cluster.counts(constraint.pods), 0))
            domains = len(np.unique(ids[scored & (ids >= 0)]))
            share = sums[ids] * math.log(domains + 2) + (constraint.max_skew - 1)
            total += np.where(ids >= 0, share, 0.0)
        raw: Scores = np.round(total).astype(np.int64)
        low, high = int(raw[scored].min()), int(raw[scored].max())
        if high == 0:
            return np.where(ignored, 0, MAX_SCORE)
        return np.where(ignored, 0, MAX_SCORE * (high + low - raw) // high)
