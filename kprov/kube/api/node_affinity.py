"""Whether a node is one that a pod asks for: nodeSelector and required node affinity (upstream's component-helpers)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kprov.kube.api.selectors import Requirement

Term = Mapping[str, Any]


def requirement(expression: Mapping[str, Any]) -> Requirement | None:
    """A NodeSelectorRequirement, parsed; None where its operator or values are wrong (it then matches nothing)."""
    operator, values = expression.get("operator", ""), frozenset(expression.get("values") or ())
    if operator in ("In", "NotIn"):
        return Requirement(expression["key"], operator, values) if values else None
    if operator in ("Exists", "DoesNotExist"):
        return Requirement(expression["key"], operator) if not values else None
    if operator in ("Gt", "Lt"):
        return Requirement(expression["key"], operator, values) if len(values) == 1 else None
    return None


def matches_term(term: Term, labels: Mapping[str, str], name: str) -> bool:
    """Whether a node's labels and name meet a NodeSelectorTerm; an empty term matches no node."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    for expression in expressions:
        parsed = requirement(expression)
        if parsed is None or not parsed.matches(labels):
            return False
    for expression in fields:
        parsed = requirement(expression)
        if parsed is None or parsed.key != "metadata.name" or not parsed.matches({"metadata.name": name}):
            return False
    return True


def matches_any_term(terms: Iterable[Term], labels: Mapping[str, str], name: str) -> bool:
    """Whether a node meets one of the terms of a NodeSelector."""
    return any(matches_term(term, labels, name) for term in terms)


def required_terms(pod_spec: Mapping[str, Any]) -> list[Term] | None:
    """The terms of a pod's required node affinity; None where it has none."""
    affinity = ((pod_spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return None if affinity is None else list(affinity.get("nodeSelectorTerms") or ())


def wants_node(pod_spec: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether a node meets a pod's nodeSelector and required node affinity."""
    metadata = node["metadata"]
    labels, name = metadata.get("labels") or {}, metadata["name"]
    if any(labels.get(key) != wanted for key, wanted in (pod_spec.get("nodeSelector") or {}).items()):
        return False
    terms = required_terms(pod_spec)
    return terms is None or matches_any_term(terms, labels, name)
