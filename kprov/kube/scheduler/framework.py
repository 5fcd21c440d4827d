"""The frame that plugins stand in: one cycle decides about one pod, over all nodes at once.

A filter says which nodes it rejects, as masks with reasons; a score gives every node a number from 0 to 100. As
upstream, a node is rejected by the first plugin that says so, and later plugins are not asked about it.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kprov.kube.scheduler import instruments
from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.node_table import Mask
from kprov.kube.scheduler.pod_info import PodInfo

Scores = NDArray[np.int64]
MAX_SCORE = 100

Rejection = tuple[Mask, str, bool]
"""The nodes, why, and whether removing pods from them could help."""


class Unschedulable(Exception):
    """No node will do. ``message`` is what the user reads.

    Args:
        message: upstream's sentence, without what preemption adds.
        plugins: whose rejections it rests on: events that concern none of them cannot help.
        curable: rows where removing pods could help; None where none could.
    """

    def __init__(self, message: str, plugins: frozenset[str], curable: Mask | None = None) -> None:
        super().__init__(message)
        self.message, self.plugins, self.curable = message, plugins, curable


class Refused(Exception):
    """A plugin refuses the pod before looking at nodes."""


class StaticAnswers:
    """Answers that depend on nodes' own properties and a pod's signature only: kept while no node changes."""

    _LIMIT = 512

    def __init__(self) -> None:
        self._version = -1
        self._answers: dict[tuple[str, bytes], Any] = {}

    def get(self, version: int, name: str, signature: bytes, compute: Callable[[], Any]) -> Any:
        """The answer of that name for pods of that signature."""
        if version != self._version or len(self._answers) > self._LIMIT:
            self._answers.clear()
            self._version = version
        key = (name, signature)
        if key not in self._answers:
            self._answers[key] = compute()
        return self._answers[key]


class Cycle:
    """One pod's way through the plugins.

    Args:
        cluster: what is known.
        pod: who wants a place.
        statics: answers kept between cycles.
    """

    def __init__(self, cluster: Cluster, pod: PodInfo, statics: StaticAnswers) -> None:
        self.cluster = cluster
        self.table = cluster.table
        self.pod = pod
        self.alive: Mask = self.table.valid.copy()
        self.memo: dict[str, Any] = {}
        self.timed = random.random() < instruments.SAMPLED
        self._statics = statics

    def static(self, name: str, compute: Callable[[], Any]) -> Any:
        """An answer that is the same for every pod of this signature, computed once while no node changes."""
        return self._statics.get(self.table.version, name, self.pod.signature, compute)


class Plugin:
    """One concern of scheduling. ``name`` is upstream's; the hooks do nothing unless a plugin has something to say."""

    name: ClassVar[str]

    def pre_filter(self, cycle: Cycle) -> Mask | None:
        """The only nodes worth looking at, or None for all. Raises Refused where none can do."""
        return None

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """The nodes that will not do, of those in ``cycle.alive``."""
        return ()

    def score(self, cycle: Cycle) -> Scores | None:
        """How good each node is, 0 to 100 after comparing those in ``cycle.alive``; None for no opinion."""
        return None


def highest(raw: NDArray[Any], alive: Mask) -> Any:
    """The largest of the numbers on nodes that are alive; 0 where none is."""
    return np.max(raw, where=alive, initial=0)


def normalized(raw: Scores, alive: Mask, *, reverse: bool = False) -> Scores:
    """Numbers scaled so that the largest becomes 100; reversed, the smallest is best."""
    top = int(highest(raw, alive))
    if top == 0:
        return np.full_like(raw, MAX_SCORE) if reverse else raw
    scaled = raw * MAX_SCORE // top
    return MAX_SCORE - scaled if reverse else scaled


class Framework:
    """The plugins of one profile, in order.

    Args:
        scheduler_name: the profile's name.
        filters: the plugins that filter.
        scores: the plugins that score, with their weights.
    """

    def __init__(
        self,
        scheduler_name: str,
        filters: Sequence[Plugin],
        scores: Sequence[tuple[Plugin, int]],
        seed: int | None = None,
    ) -> None:
        self.scheduler_name = scheduler_name
        self.filters = tuple(filters)
        self.scores = tuple(scores)
        self._random = np.random.default_rng(seed)
        self._statics = StaticAnswers()

    def cycle(self, cluster: Cluster, pod: PodInfo) -> Cycle:
        """Begin with a pod."""
        return Cycle(cluster, pod, self._statics)

    def find_feasible(self, cycle: Cycle) -> None:
        """Leave in ``cycle.alive`` the nodes that will do.

        Raises:
            Unschedulable: none will.
        """
        total = cycle.table.count
        if total == 0:
            raise Unschedulable("no nodes available to schedule pods", frozenset(("NodeName",)))
        reasons: Counter[str] = Counter()
        culprits: set[str] = set()
        curable = np.zeros_like(cycle.alive)
        self._pre_filter(cycle, total, reasons, culprits)
        left = int(cycle.alive.sum())
        for plugin in self.filters:
            if not left:
                break
            began = time.perf_counter() if cycle.timed else 0.0
            rejected: Mask | None = None
            hopeless: Mask | None = None
            for mask, reason, can_be_cured in plugin.filter(cycle):
                hit = mask & cycle.alive
                count = int(np.count_nonzero(hit))
                if not count:
                    continue
                reasons[reason] += count
                culprits.add(plugin.name)
                rejected = hit if rejected is None else rejected | hit
                if not can_be_cured:
                    hopeless = hit if hopeless is None else hopeless | hit
            if cycle.timed:
                instruments.asked_plugin(plugin.name, "Filter", began, found=rejected is None)
            if rejected is not None:
                curable |= rejected if hopeless is None else rejected & ~hopeless
                cycle.alive &= ~rejected
                left = int(np.count_nonzero(cycle.alive))
        if not left:
            text = (
                f"0/{total} nodes are available: {', '.join(sorted(f'{n} {reason}' for reason, n in reasons.items()))}."
            )
            raise Unschedulable(text, frozenset(culprits), curable if curable.any() else None)

    def _pre_filter(self, cycle: Cycle, total: int, reasons: Counter[str], culprits: set[str]) -> None:
        for plugin in self.filters:
            began = time.perf_counter() if cycle.timed else 0.0
            try:
                only = plugin.pre_filter(cycle)
            except Refused as refusal:
                text = f"0/{total} nodes are available: {refusal}."
                raise Unschedulable(text, frozenset((plugin.name,))) from None
            if cycle.timed:
                instruments.asked_plugin(plugin.name, "PreFilter", began)
            if only is not None:
                count = int(np.count_nonzero(cycle.alive & ~only))
                if count:
                    reasons[f"node(s) didn't satisfy plugin(s) [{plugin.name}]"] += count
                    culprits.add(plugin.name)
                    cycle.alive &= only

    def feasible_on(self, cycle: Cycle, row: int) -> bool:
        """Whether all filters pass one node; for trying what preemption would bring."""
        try:
            self.find_feasible(cycle)
        except Unschedulable:
            return False
        return bool(cycle.alive[row])

    def best(self, cycle: Cycle) -> int:
        """The row of the best of the nodes left; among equals, any."""
        alive = cycle.alive
        rows = np.flatnonzero(alive)
        if len(rows) == 1:
            return int(rows[0])
        total = np.zeros(len(alive), np.int64)
        for plugin, weight in self.scores:
            began = time.perf_counter() if cycle.timed else 0.0
            scores = plugin.score(cycle)
            if cycle.timed:
                instruments.asked_plugin(plugin.name, "Score", began)
            if scores is not None:
                total += scores * weight
        total[~alive] = -1
        equals = np.flatnonzero(total == total.max())
        return int(equals[self._random.integers(len(equals))]) if len(equals) > 1 else int(equals[0])
