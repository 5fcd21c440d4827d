"""RuntimeClass: what running a pod in a certain way costs, and where it can be done."""

from __future__ import annotations

from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Plugin, forbid
from kprov.kube.apiserver.strategy.equality import semantically_equal

_CLASSES = ("node.k8s.io", "runtimeclasses")


class RuntimeClass(Plugin):
    """See the module."""

    name = "RuntimeClass"
    resources = frozenset((("", "pods"),))
    operations = frozenset(("CREATE",))
    caches = (_CLASSES,)

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Take overhead, node selector and tolerations from the class."""
        spec = (attrs.obj or {})["spec"]
        name = spec.get("runtimeClassName")
        if not name:
            return
        found = self.store.cached_get(_CLASSES, "", name)
        if found is None:
            raise forbid(attrs, f'pod rejected: RuntimeClass "{name}" not found')
        scheduling = found.get("scheduling") or {}
        selector = dict(spec.get("nodeSelector") or {})
        for key, value in (scheduling.get("nodeSelector") or {}).items():
            if selector.get(key, value) != value:
                message = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {selector[key]}"  # noqa: E501
                raise forbid(attrs, message)
            selector[key] = value
        if selector:
            spec["nodeSelector"] = selector
        added = [each for each in scheduling.get("tolerations") or () if each not in (spec.get("tolerations") or [])]
        if added:
            spec["tolerations"] = [*(spec.get("tolerations") or []), *added]
        overhead = (found.get("overhead") or {}).get("podFixed")
        if overhead:
            if spec.get("overhead") and not semantically_equal(spec["overhead"], overhead):
                raise forbid(attrs, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
            spec["overhead"] = overhead

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Overhead is the class's to say."""
        spec = (attrs.obj or {})["spec"]
        if spec.get("overhead") and not spec.get("runtimeClassName"):
            raise forbid(attrs, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
