"""DefaultIngressClass: an ingress that names no class gets the default one."""

from __future__ import annotations

from kprov.kube.api import errors
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, Surroundings

_CLASSES = ("networking.k8s.io", "ingressclasses")
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_OLD = "kubernetes.io/ingress.class"


class DefaultIngressClass(Plugin):
    """See the module."""

    name = "DefaultIngressClass"
    resources = frozenset((("networking.k8s.io", "ingresses"),))
    operations = frozenset(("CREATE",))
    caches = (_CLASSES,)

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._defaults: dict[str, Object] = {}
        around.store.subscribe(_CLASSES, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self._defaults.pop((new or old or {})["metadata"]["name"], None)
        if new is not None and (new["metadata"].get("annotations") or {}).get(_DEFAULT) == "true":
            self._defaults[new["metadata"]["name"]] = new

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Name it."""
        ingress = attrs.obj or {}
        spec = ingress.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or _OLD in (ingress["metadata"].get("annotations") or {}):
            return
        if len(self._defaults) > 1:
            raise errors.internal(f"{len(self._defaults)} default IngressClasses were found, only 1 allowed")
        for name in self._defaults:
            spec["ingressClassName"] = name
