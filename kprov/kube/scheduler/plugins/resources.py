"""NodeResourcesFit, NodeResourcesBalancedAllocation and NodePorts: what of a node is still to be had."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kprov.kube.scheduler.framework import MAX_SCORE, Cycle, Plugin, Rejection, Scores
from kprov.kube.scheduler.node_table import CPU, MEMORY, PODS, Counts
from kprov.kube.scheduler.pod_info import PodInfo, Port

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a host port without an address means all of them


def _nominated(cycle: Cycle) -> list[tuple[PodInfo, int]]:
    """Pods of at least this priority that wait for a node which preemption makes room on: their room is not for us."""
    pod, rows = cycle.pod, cycle.table.row_of
    return [
        (other, rows[node])
        for other, node in cycle.cluster.nominated.values()
        if other.uid != pod.uid and other.priority >= pod.priority and node in rows
    ]


class NodeResourcesFit(Plugin):
    """Keeps pods to nodes that have what they ask for, and prefers emptier (or fuller) ones.

    Args:
        most_allocated: prefer fuller nodes instead (upstream's MostAllocated).
    """

    name = "NodeResourcesFit"

    def __init__(self, most_allocated: bool = False) -> None:
        self._most_allocated = most_allocated

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Nodes that are full, and nodes short of a resource; one node may be named by several reasons."""
        table, pod = cycle.table, cycle.pod
        promised = _nominated(cycle)
        taken = self._taken(cycle, PODS, [(row, 1) for _, row in promised])
        full = taken >= table.allocatable(PODS)
        if full.any():
            yield full, "Too many pods", True
        for resource, amount in pod.requests.items():
            column = table.column(resource)
            extra = [(row, other.requests.get(resource, 0)) for other, row in promised]
            allocatable = table.allocatable(column)
            short = self._taken(cycle, column, extra) + amount > allocatable
            if short.any():
                hopeless = amount > allocatable
                yield short & ~hopeless, f"Insufficient {resource}", True
                if hopeless.any():
                    yield short & hopeless, f"Insufficient {resource}", False

    def _taken(self, cycle: Cycle, column: int, promised: list[tuple[int, int]]) -> Counts:
        requested = cycle.table.requested(column)
        if promised:
            requested = requested.copy()
            for row, amount in promised:
                requested[row] += amount
        return requested

    def score(self, cycle: Cycle) -> Scores | None:
        """The mean share of cpu and memory that would be left (or used)."""
        table, pod = cycle.table, cycle.pod
        total = np.zeros(table.size)
        kinds = np.zeros(table.size)
        for column, amount in ((CPU, pod.nonzero_cpu), (MEMORY, pod.nonzero_memory)):
            allocatable = table.allocatable(column)
            used = table.nonzero(column) + amount
            part = used if self._most_allocated else allocatable - used
            # floats: dividing whole numbers is far slower, and below 2**50 the floor is the same
            share = np.floor(part * float(MAX_SCORE) / np.maximum(allocatable, 1))
            share[used > allocatable] = 0
            total += share
            kinds += allocatable > 0
        scores: Scores = (total / np.maximum(kinds, 1)).astype(np.int64)
        return scores


class NodeResourcesBalancedAllocation(Plugin):
    """Prefers nodes whose cpu and memory would be used evenly."""

    name = "NodeResourcesBalancedAllocation"

    def score(self, cycle: Cycle) -> Scores | None:
        """100 minus the spread between the two shares; no opinion on pods that ask for neither."""
        table, pod = cycle.table, cycle.pod
        if pod.best_effort:
            return None
        shares = []
        for column, resource in ((CPU, "cpu"), (MEMORY, "memory")):
            used = table.requested(column) + pod.requests.get(resource, 0)
            shares.append(np.minimum(used / np.maximum(table.allocatable(column), 1), 1.0))
        scores: Scores = ((1.0 - np.abs(shares[0] - shares[1]) / 2) * MAX_SCORE).astype(np.int64)
        return scores


def clashes(wanted: Iterable[Port], used: Iterable[Port]) -> bool:
    """Whether any wanted host port is in use: same protocol and number, and an address in common."""
    taken = list(used)
    return any(
        protocol == other_protocol and number == other_number and (_ANY_ADDRESS in (address, other) or address == other)
        for protocol, address, number in wanted
        for other_protocol, other, other_number in taken
    )


class NodePorts(Plugin):
    """Keeps pods off nodes where a host port that they want is in use."""

    name = "NodePorts"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Nodes with such a port in use."""
        wanted = cycle.pod.ports
        if not wanted:
            return
        busy = np.zeros(cycle.table.size, np.bool_)
        for row in cycle.cluster.rows_with_ports:
            busy[row] = any(
                clashes(wanted, other.ports) for other in cycle.cluster.pods_on[row].values() if other.ports
            )
        for other, row in _nominated(cycle):
            busy[row] |= clashes(wanted, other.ports)
        yield busy, "node(s) didn't have free ports for the requested pod ports", True
