"""From a profile to its plugins: upstream's default plugins, in upstream's order, with upstream's weights."""

from __future__ import annotations

from kprov.kube.scheduler.configuration import Profile
from kprov.kube.scheduler.framework import Framework, Plugin
from kprov.kube.scheduler.plugins.image_locality import ImageLocality
from kprov.kube.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from kprov.kube.scheduler.plugins.node_affinity import NodeAffinity
from kprov.kube.scheduler.plugins.node_state import NodeName, NodeUnschedulable, TaintToleration
from kprov.kube.scheduler.plugins.pod_topology_spread import DefaultSelector, PodTopologySpread
from kprov.kube.scheduler.plugins.resources import NodePorts, NodeResourcesBalancedAllocation, NodeResourcesFit
from kprov.kube.scheduler.plugins.volumes import Lookup, VolumeBinding

FILTERS = (
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeBinding",
    "PodTopologySpread",
    "InterPodAffinity",
)
WEIGHTS = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "NodeResourcesFit": 1,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
}
KNOWN_PLUGINS = frozenset((*FILTERS, *WEIGHTS, "DefaultPreemption", "DefaultBinder", "PrioritySort", "SchedulingGates"))


def _nothing(name: str) -> None:
    return None


def framework_of(
    profile: Profile,
    *,
    default_selector: DefaultSelector | None = None,
    claim: Lookup = _nothing,
    volume: Lookup = _nothing,
    storage_class: Lookup = _nothing,
    seed: int | None = None,
) -> Framework:
    """The plugins of a profile.

    Args:
        profile: what the configuration says.
        default_selector: finds what selects a pod.
        claim, volume, storage_class: find the objects of those kinds.
        seed: makes the choice among equals repeatable, for tests.
    """
    every: dict[str, Plugin] = {
        plugin.name: plugin
        for plugin in (
            NodeUnschedulable(),
            NodeName(),
            TaintToleration(),
            NodeAffinity(),
            NodePorts(),
            NodeResourcesFit(profile.most_allocated),
            VolumeBinding(claim, volume, storage_class),
            PodTopologySpread(default_selector if profile.default_spreading else None),
            InterPodAffinity(profile.hard_pod_affinity_weight),
            NodeResourcesBalancedAllocation(),
            ImageLocality(),
        )
    }
    filters = [every[name] for name in FILTERS if profile.has(name, "filter")]
    scores = [
        (every[name], profile.weights.get(name, weight))
        for name, weight in WEIGHTS.items()
        if profile.has(name, "score")
    ]
    return Framework(profile.name, filters, scores, seed)
