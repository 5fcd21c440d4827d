"""NodeAffinity: nodeSelector, required and preferred node affinity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kprov.kube.api.node_affinity import required_terms, requirement
from kprov.kube.api.selectors import Requirement
from kprov.kube.scheduler.framework import Cycle, Plugin, Rejection, Scores, normalized
from kprov.kube.scheduler.node_table import Mask, NodeTable

REASON = "node(s) didn't match Pod's node affinity/selector"


def term_mask(table: NodeTable, term: Mapping[str, Any]) -> Mask:
    """The nodes that meet a NodeSelectorTerm; none where it is empty or wrong."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    mask = np.full(table.size, bool(expressions or fields), np.bool_)
    for expression in expressions:
        parsed = requirement(expression)
        if parsed is None:
            return np.zeros(table.size, np.bool_)
        mask &= table.meets(parsed)
    for expression in fields:
        parsed = requirement(expression)
        if parsed is None or parsed.key != "metadata.name":
            return np.zeros(table.size, np.bool_)
        mask &= names_mask(table, parsed.values) if parsed.operator == "In" else _by_name(table, parsed)
    return mask


def _by_name(table: NodeTable, parsed: Requirement) -> Mask:
    return np.array([parsed.matches({"metadata.name": name}) for name in table.names], np.bool_)


def names_mask(table: NodeTable, names: Iterable[str]) -> Mask:
    """The nodes of these names."""
    mask = np.zeros(table.size, np.bool_)
    for name in names:
        row = table.row_of.get(name)
        if row is not None:
            mask[row] = True
    return mask


def eligible(cycle: Cycle) -> Mask:
    """The nodes that meet the pod's nodeSelector and required affinity; also PodTopologySpread asks."""
    mask: Mask = cycle.static("NodeAffinity/eligible", lambda: _eligible(cycle))
    return mask


def _eligible(cycle: Cycle) -> Mask:
    table, spec = cycle.table, cycle.pod.spec
    mask = table.valid.copy()
    for key, value in (spec.get("nodeSelector") or {}).items():
        mask &= table.meets(Requirement(key, "In", frozenset((value,))))
    terms = required_terms(spec)
    if terms is not None:
        any_term = np.zeros(table.size, np.bool_)
        for term in terms:
            any_term |= term_mask(table, term)
        mask &= any_term
    return mask


class NodeAffinity(Plugin):
    """Keeps pods to the nodes that they select, and prefers those that they prefer."""

    name = "NodeAffinity"

    def pre_filter(self, cycle: Cycle) -> Mask | None:
        """Only the named nodes, where every term names nodes (as the pods of a DaemonSet do)."""
        terms = required_terms(cycle.pod.spec)
        if not terms:
            return None
        named: set[str] = set()
        for term in terms:
            names: frozenset[str] | None = None
            for field in term.get("matchFields") or ():
                if field.get("key") == "metadata.name" and field.get("operator") == "In":
                    values = frozenset(field.get("values") or ())
                    names = values if names is None else names & values
            if names is None:
                return None
            named |= names
        return names_mask(cycle.table, named)

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Nodes that the pod does not select."""
        spec = cycle.pod.spec
        if spec.get("nodeSelector") or required_terms(spec) is not None:
            yield ~eligible(cycle), REASON, False

    def score(self, cycle: Cycle) -> Scores | None:
        """The weights of the preferred terms that a node meets."""
        affinity = (cycle.pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution")
        if not preferred:
            return None
        raw: Scores = cycle.static("NodeAffinity/preferred", lambda: self._weights(cycle.table, preferred))
        return normalized(raw, cycle.alive)

    def _weights(self, table: NodeTable, preferred: Iterable[Mapping[str, Any]]) -> Scores:
        total: Scores = np.zeros(table.size, np.int64)
        for entry in preferred:
            term, weight = entry.get("preference") or {}, int(entry.get("weight") or 0)
            total += term_mask(table, term) * weight
        return total
