"""What selects a pod: its Services and the set that owns it. Pods of a kind are spread by it where they say nothing."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import Object
from kprov.kube.api.selectors import Requirement, Selector, SelectorError, from_label_selector, from_map
from kprov.kube.scheduler.pod_info import PodInfo


def slim(obj: Object) -> Object:
    """A Service, ReplicaSet or StatefulSet with its name and selector only."""
    metadata = obj["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion") if name in metadata}
    return {"metadata": kept, "spec": {"selector": (obj.get("spec") or {}).get("selector")}}


class DefaultSelectors:
    """Finds the selector of a pod's kind.

    Args:
        services: the Services, indexed by :meth:`add_index`.
        owners: for each owner kind, its informer.
    """

    def __init__(self, services: Informer, owners: dict[str, Informer]) -> None:
        self._services, self._owners = services, owners
        services.add_index("namespace", lambda service: (service["metadata"].get("namespace", ""),))

    def __call__(self, pod: PodInfo) -> Selector | None:
        """All that selects the pod, together; None where nothing does."""
        requirements: list[Requirement] = []
        for service in self._services.by_index("namespace", pod.namespace):
            wanted = service["spec"].get("selector")
            if wanted and all(pod.labels.get(key) == value for key, value in wanted.items()):
                requirements.extend(from_map(wanted).requirements)
        requirements.extend(self._of_owner(pod))
        return Selector(tuple(dict.fromkeys(requirements))) if requirements else None

    def _of_owner(self, pod: PodInfo) -> tuple[Requirement, ...]:
        for reference in pod.object["metadata"].get("ownerReferences") or ():
            informer = self._owners.get(reference.get("kind", ""))
            if informer is None or not reference.get("controller"):
                continue
            owner = informer.get(f"{pod.namespace}/{reference['name']}")
            selector: dict[str, Any] | None = owner["spec"].get("selector") if owner else None
            if selector:
                try:
                    return from_label_selector(selector).requirements
                except SelectorError:
                    return ()
        return ()
