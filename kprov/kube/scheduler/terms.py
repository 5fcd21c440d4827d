"""Terms about pods: "pods of these namespaces that match this selector", as affinity and spreading speak of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kprov.kube.api import selectors
from kprov.kube.api.selectors import Selector, SelectorError


class Labelled(Protocol):
    """What a term is asked about."""

    @property
    def namespace(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class PodTerm:
    """Pods of some namespaces that match a selector.

    Args:
        selector: the labels wanted.
        namespaces: the namespaces that are named.
        namespace_selector: those namespaces besides, by their labels.
        running_only: pods that are being deleted do not count.
    """

    selector: Selector
    namespaces: frozenset[str]
    namespace_selector: Selector | None = None
    running_only: bool = False

    def matches(self, pod: Labelled) -> bool:
        """Whether a pod is one of them; the term must be resolved."""
        return pod.namespace in self.namespaces and self.selector.matches(pod.labels)


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """A term and the topology in which its pods are near.

    Args:
        pods: the pods to be near to, or away from.
        topology_key: the node label whose equal values mean near.
        weight: of a preferred term; negative for anti-affinity.
    """

    pods: PodTerm
    topology_key: str
    weight: int = 0


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """One of a pod's topologySpreadConstraints."""

    pods: PodTerm
    topology_key: str
    max_skew: int
    hard: bool
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False
    from_defaults: bool = False


def _selector(shape: Mapping[str, Any] | None) -> Selector:
    try:
        return selectors.from_label_selector(shape)
    except (SelectorError, KeyError):
        return selectors.NOTHING


def _with_label_keys(selector: Selector, raw: Mapping[str, Any], labels: Mapping[str, str]) -> Selector:
    """Add the pod's own values of matchLabelKeys (and not those of mismatchLabelKeys)."""
    more = [
        selectors.Requirement(key, operator, frozenset((labels[key],)))
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in raw.get(field) or ()
        if key in labels
    ]
    return Selector(selector.requirements + tuple(more)) if more and not selector.nothing else selector


def affinity_term(raw: Mapping[str, Any], namespace: str, labels: Mapping[str, str], weight: int = 0) -> AffinityTerm:
    """A PodAffinityTerm of a pod in `namespace` with `labels`."""
    wanted = raw.get("namespaceSelector")
    named = frozenset(raw.get("namespaces") or (() if wanted is not None else (namespace,)))
    selector = _with_label_keys(_selector(raw.get("labelSelector")), raw, labels)
    term = PodTerm(selector, named, None if wanted is None else _selector(wanted))
    return AffinityTerm(term, raw.get("topologyKey", ""), weight)


def spread_constraint(raw: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> SpreadConstraint:
    """A TopologySpreadConstraint of a pod in `namespace` with `labels`."""
    selector = _with_label_keys(_selector(raw.get("labelSelector")), raw, labels)
    return SpreadConstraint(
        PodTerm(selector, frozenset((namespace,)), None, True),
        raw["topologyKey"],
        int(raw["maxSkew"]),
        raw.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        int(raw.get("minDomains") or 1),
        (raw.get("nodeAffinityPolicy") or "Honor") == "Honor",
        (raw.get("nodeTaintsPolicy") or "Ignore") == "Honor",
    )
