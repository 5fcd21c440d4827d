"""Preemption: less important pods make room for a more important one (upstream's DefaultPreemption).

What removing pods would bring is tried on the believed cluster itself, which is put back before anybody looks. The node
where the least harm is done is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from kprov.kube.api.kinds import Object
from kprov.kube.api.selectors import SelectorError, from_label_selector
from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.framework import Framework
from kprov.kube.scheduler.node_table import Mask
from kprov.kube.scheduler.pod_info import PodInfo

_CANDIDATES = 100  # nodes tried at most; upstream tries a tenth of them, and at least 100

Budgets = Callable[[str], Iterable[Object]]
"""The PodDisruptionBudgets of a namespace."""


@dataclass(frozen=True, slots=True)
class Preemption:
    """Where room can be made, and who must go."""

    node: str
    victims: tuple[PodInfo, ...]
    violations: int

    def harm(self) -> tuple[float, ...]:
        """How bad it is, as a sort key: budgets broken, the most important victim, all of them, how many, how fresh."""
        priorities = [victim.priority for victim in self.victims]
        top = max(priorities)
        oldest = min(victim.started for victim in self.victims if victim.priority == top)
        offset = 2**31  # so that more victims of negative priority are not less harm
        return (self.violations, top, sum(p + offset for p in priorities), len(priorities), -oldest)


def find_preemption(
    framework: Framework, cluster: Cluster, pod: PodInfo, curable: Mask | None, budgets: Budgets
) -> tuple[Preemption | None, str]:
    """Look for the node where the least harm makes room for a pod.

    Args:
        framework: the plugins that must accept.
        cluster: what is believed; changed while trying, and put back.
        pod: who wants room.
        curable: rows where removing pods could help.
        budgets: whose disruption limits to respect where possible.

    Returns:
        What to do, or None; and upstream's sentence for when there is nothing to do.
    """
    if pod.spec.get("preemptionPolicy") == "Never":
        return None, "preemption: not eligible due to preemptionPolicy=Never."
    total = cluster.table.count
    rows = [] if curable is None else [int(row) for row in np.flatnonzero(curable)]
    found: list[Preemption] = []
    without_victims = 0
    for row in rows:
        lesser = [other for other in cluster.pods_on[row].values() if other.priority < pod.priority]
        if not lesser:
            without_victims += 1
            continue
        if len(found) >= _CANDIDATES:
            break
        if candidate := _try_node(framework, cluster, pod, row, lesser, budgets):
            found.append(candidate)
        else:
            without_victims += 1
    if found:
        return min(found, key=Preemption.harm), ""
    reasons = []
    if without_victims:
        reasons.append(f"{without_victims} No preemption victims found for incoming pod")
    if total > len(rows):
        reasons.append(f"{total - len(rows)} Preemption is not helpful for scheduling")
    return None, f"preemption: 0/{total} nodes are available: {', '.join(reasons)}."


def waits_for_victims(cluster: Cluster, pod: PodInfo) -> bool:
    """Whether room is being made already: lesser pods on the node that the pod was promised are on their way out."""
    promised = (pod.object.get("status") or {}).get("nominatedNodeName")
    row = cluster.table.row_of.get(promised) if promised else None
    if row is None:
        return False
    return any(other.terminating and other.priority < pod.priority for other in cluster.pods_on[row].values())


def _try_node(
    framework: Framework, cluster: Cluster, pod: PodInfo, row: int, lesser: list[PodInfo], budgets: Budgets
) -> Preemption | None:
    """Take all lesser pods away; if that helps, give back as many as still leave room, the important ones first."""
    node = cluster.table.names[row]
    for other in lesser:
        cluster.remove_pod(other.uid)
    victims: list[PodInfo] = []
    violations = 0
    try:
        if not framework.feasible_on(framework.cycle(cluster, pod), row):
            return None
        protected = _protected(lesser, budgets)
        order = sorted(lesser, key=lambda o: (o.uid not in protected, -o.priority, o.started))
        for other in order:
            cluster.put_pod(other, node)
            if not framework.feasible_on(framework.cycle(cluster, pod), row):
                cluster.remove_pod(other.uid)
                victims.append(other)
                violations += other.uid in protected
    finally:
        for other in lesser:
            if cluster.node_of(other.uid) is None:
                cluster.put_pod(other, node)
    return Preemption(node, tuple(victims), violations) if victims else None


def _protected(pods: Iterable[PodInfo], budgets: Budgets) -> set[str]:
    """The pods whose eviction would break a budget, when they go in order of importance."""
    left: dict[str, int] = {}
    protected: set[str] = set()
    for pod in sorted(pods, key=lambda o: -o.priority):
        for budget in budgets(pod.namespace):
            try:
                selector = from_label_selector((budget.get("spec") or {}).get("selector"))
            except SelectorError:
                continue
            if selector.everything or not selector.matches(pod.labels):
                continue
            status = budget.get("status") or {}
            if pod.name in (status.get("disruptedPods") or {}):
                continue
            name = f"{pod.namespace}/{budget['metadata']['name']}"
            left[name] = left.get(name, int(status.get("disruptionsAllowed") or 0)) - 1
            if left[name] < 0:
                protected.add(pod.uid)
    return protected
