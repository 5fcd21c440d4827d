"""NodeUnschedulable, NodeName and TaintToleration: what a node itself says about who may come."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kprov.kube.api.tolerations import first_untolerated, tolerated
from kprov.kube.scheduler.framework import Cycle, Plugin, Rejection, Scores, normalized
from kprov.kube.scheduler.node_table import Mask

_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable(Plugin):
    """Keeps pods off cordoned nodes."""

    name = "NodeUnschedulable"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Cordoned nodes, unless the pod tolerates the taint that cordoning means."""
        if cycle.table.unschedulable.any() and not tolerated(_CORDON, cycle.pod.tolerations):
            yield cycle.table.unschedulable, "node(s) were unschedulable", False


class NodeName(Plugin):
    """Keeps a pod to the node that it names."""

    name = "NodeName"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Every other node."""
        if cycle.pod.node_name:
            others = np.ones(cycle.table.size, np.bool_)
            row = cycle.table.row_of.get(cycle.pod.node_name)
            if row is not None:
                others[row] = False
            yield others, "node(s) didn't match the requested node name", False


class TaintToleration(Plugin):
    """Keeps pods off nodes whose taints they do not tolerate, and prefers nodes with fewer PreferNoSchedule taints."""

    name = "TaintToleration"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Nodes by their first taint that the pod does not tolerate."""
        rejections: list[Rejection] = cycle.static(self.name, lambda: self._untolerated(cycle))
        return rejections

    def _untolerated(self, cycle: Cycle) -> list[Rejection]:
        masks: dict[str, Mask] = {}
        for row, taints in enumerate(cycle.table.taints):
            if taints and (taint := first_untolerated(taints, cycle.pod.tolerations)):
                reason = f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value') or ''}}}"
                if reason not in masks:
                    masks[reason] = np.zeros(cycle.table.size, np.bool_)
                masks[reason][row] = True
        return [(mask, reason, False) for reason, mask in masks.items()]

    def score(self, cycle: Cycle) -> Scores | None:
        """The fewer soft taints that the pod does not tolerate, the better."""
        raw: Scores | None = cycle.static("TaintToleration/soft", lambda: self._soft(cycle))
        return None if raw is None else normalized(raw, cycle.alive, reverse=True)

    def _soft(self, cycle: Cycle) -> Scores | None:
        counts: Scores = np.zeros(cycle.table.size, np.int64)
        for row, taints in enumerate(cycle.table.taints):
            for taint in taints:
                if taint.get("effect") == "PreferNoSchedule" and not tolerated(taint, cycle.pod.tolerations):
                    counts[row] += 1
        return counts if counts.any() else None
