"""Taints and tolerations that everything gets: of new nodes, of pods on nodes that fail, of pods that use devices."""

from __future__ import annotations

from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin
from kprov.kube.apiserver.strategy.resource_validation import may_be_overcommitted

_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"
_SECONDS = 300


class TaintNodesByCondition(Plugin):
    """A new node takes no pods before it has said that it is ready."""

    name = "TaintNodesByCondition"
    resources = frozenset((("", "nodes"),))
    operations = frozenset(("CREATE",))

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Taint it."""
        spec = (attrs.obj or {}).setdefault("spec", {})
        taint = {"key": _NOT_READY, "effect": "NoSchedule"}
        taints = spec.get("taints") or []
        if not any(each.get("key") == _NOT_READY and each.get("effect") == "NoSchedule" for each in taints):
            spec["taints"] = [*taints, taint]


class DefaultTolerationSeconds(Plugin):
    """A pod stays for five minutes on a node that is not ready or does not answer, unless it says otherwise."""

    name = "DefaultTolerationSeconds"
    resources = frozenset((("", "pods"),))

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Add the tolerations."""
        spec = (attrs.obj or {})["spec"]
        tolerations = spec.get("tolerations") or []
        added = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS}
            for key in (_NOT_READY, _UNREACHABLE)
            if not any(_covers(each, key) for each in tolerations)
        ]
        if added:
            spec["tolerations"] = [*tolerations, *added]


def _covers(toleration: Object, key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")


class ExtendedResourceToleration(Plugin):
    """A pod that asks for a device tolerates the taint of that device's nodes."""

    name = "ExtendedResourceToleration"
    resources = frozenset((("", "pods"),))

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Add the tolerations."""
        spec = (attrs.obj or {})["spec"]
        wanted = {
            name
            for field in ("containers", "initContainers")
            for container in spec.get(field) or ()
            for name in ((container.get("resources") or {}).get("requests") or {})
            if "/" in name and not may_be_overcommitted(name)
        }
        tolerations = spec.get("tolerations") or []
        for name in sorted(wanted):
            if not any(each.get("key") == name and each.get("operator") == "Exists" for each in tolerations):
                tolerations = [*tolerations, {"key": name, "operator": "Exists"}]
        if tolerations:
            spec["tolerations"] = tolerations
