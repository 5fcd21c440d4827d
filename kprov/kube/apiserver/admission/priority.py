"""Priority: a pod's priority is what its class says."""

from __future__ import annotations

from kprov.kube.apiserver.admission.attributes import CREATE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, Surroundings, forbid

_CLASSES = ("scheduling.k8s.io", "priorityclasses")
_PODS = ("", "pods")


class Priority(Plugin):
    """See the module."""

    name = "Priority"
    resources = frozenset((_PODS, _CLASSES))
    caches = (_CLASSES,)

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._classes: dict[str, Object] = {}
        around.store.subscribe(_CLASSES, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._classes.pop((old or {})["metadata"]["name"], None)
        else:
            self._classes[new["metadata"]["name"]] = new

    def _default(self) -> Object | None:
        defaults = [each for each in self._classes.values() if each.get("globalDefault")]
        return min(defaults, key=lambda each: int(each.get("value") or 0), default=None)

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Resolve the class."""
        if attrs.resource_info.key != _PODS or attrs.obj is None:
            return
        spec = attrs.obj["spec"]
        if attrs.operation == UPDATE:
            before = (attrs.old_obj or {}).get("spec") or {}
            for field in ("priority", "preemptionPolicy"):
                if spec.get(field) is None and before.get(field) is not None:
                    spec[field] = before[field]
            return
        name = spec.get("priorityClassName")
        found = self._classes.get(name) if name else self._default()
        if name and found is None:
            raise forbid(attrs, f"no PriorityClass with name {name} was found")
        priority = int((found or {}).get("value") or 0)
        policy = (found or {}).get("preemptionPolicy") or "PreemptLowerPriority"
        if found:
            spec["priorityClassName"] = found["metadata"]["name"]
        if spec.get("priority") not in (None, priority):
            message = (
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority "
                f"admission "
                f"controller computed {priority} from the given PriorityClass name"
            )
            raise forbid(attrs, message)
        if spec.get("preemptionPolicy") not in (None, policy):
            message = (
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
            raise forbid(attrs, message)
        spec["priority"], spec["preemptionPolicy"] = priority, policy

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Only one class is the default."""
        if attrs.resource_info.key != _CLASSES or not (attrs.obj or {}).get("globalDefault"):
            return
        default = self._default()
        if default is None:
            return
        name = default["metadata"]["name"]
        if attrs.operation == CREATE or name != (attrs.obj or {})["metadata"]["name"]:
            raise forbid(attrs, f"PriorityClass {name} is already marked as default. Only one default can exist")
