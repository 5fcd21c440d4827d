"""VolumeBinding, lightly: nodes that can reach the volumes which a pod's claims are bound to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from kprov.kube.api.kinds import Object
from kprov.kube.scheduler.framework import Cycle, Plugin, Refused, Rejection
from kprov.kube.scheduler.plugins.node_affinity import term_mask

Lookup = Callable[[str], Object | None]


class VolumeBinding(Plugin):
    """Follows claims to volumes. kprov has no volume provisioner: a claim must be bound, or a volume must fit it.

    Args:
        claim: finds a PersistentVolumeClaim by ``namespace/name``.
        volume: finds a PersistentVolume by name.
        storage_class: finds a StorageClass by name.
    """

    name = "VolumeBinding"

    def __init__(self, claim: Lookup, volume: Lookup, storage_class: Lookup) -> None:
        self._claim, self._volume, self._storage_class = claim, volume, storage_class

    def pre_filter(self, cycle: Cycle) -> None:
        """Refuses pods whose claims are missing, being deleted or not bound in time."""
        bound: list[str] = []
        waiting: list[str] = []
        for name in self._claim_names(cycle):
            claim = self._claim(f"{cycle.pod.namespace}/{name}")
            if claim is None:
                raise Refused(f'persistentvolumeclaim "{name}" not found')
            if claim["metadata"].get("deletionTimestamp"):
                raise Refused(f'persistentvolumeclaim "{name}" is being deleted')
            spec = claim.get("spec") or {}
            if spec.get("volumeName") and (claim.get("status") or {}).get("phase") == "Bound":
                bound.append(spec["volumeName"])
            elif self._waits_for_consumer(spec):
                waiting.append(name)
            else:
                raise Refused("pod has unbound immediate PersistentVolumeClaims")
        cycle.memo[self.name] = (bound, waiting)

    def _claim_names(self, cycle: Cycle) -> Iterator[str]:
        for volume in cycle.pod.spec.get("volumes") or ():
            if claim := volume.get("persistentVolumeClaim"):
                yield claim["claimName"]
            elif "ephemeral" in volume:
                yield f"{cycle.pod.name}-{volume['name']}"

    def _waits_for_consumer(self, spec: dict[str, Any]) -> bool:
        storage_class = self._storage_class(spec.get("storageClassName") or "")
        return (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Nodes that a bound volume cannot be used on; all nodes while a claim has no volume."""
        bound, waiting = cycle.memo.get(self.name, ((), ()))
        if waiting:
            everywhere = np.ones(cycle.table.size, np.bool_)
            yield everywhere, "node(s) didn't find available persistent volumes to bind", False
            return
        conflict = np.zeros(cycle.table.size, np.bool_)
        for name in bound:
            volume = self._volume(name)
            affinity = (((volume or {}).get("spec") or {}).get("nodeAffinity") or {}).get("required")
            if affinity:
                reachable = np.zeros(cycle.table.size, np.bool_)
                for term in affinity.get("nodeSelectorTerms") or ():
                    reachable |= term_mask(cycle.table, term)
                conflict |= ~reachable
        if bound:
            yield conflict, "node(s) had volume node affinity conflict", False
