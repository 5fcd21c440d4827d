"""Namespaces: they go only when their finalizers have emptied them."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, StrategyContext, dns_label_error, invalid
from kprov.kube.apiserver.strategy.fields import qualified_name_errors

Object = dict[str, Any]

_NAME_LABEL = "kubernetes.io/metadata.name"
_FINALIZER = "kubernetes"


class NamespaceStrategy(Strategy):
    """Namespaces."""

    def name_error(self, name: str) -> str | None:
        """A DNS label: it becomes one in service names."""
        return dns_label_error(name)

    def default(self, obj: Object) -> None:
        """Every namespace is labelled with its own name, so that selectors can name one."""
        metadata = obj.get("metadata") or {}
        if metadata.get("name"):
            metadata["labels"] = {**(metadata.get("labels") or {}), _NAME_LABEL: metadata["name"]}

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Active, and held by the namespace controller's finalizer."""
        obj["status"] = {"phase": "Active"}
        spec = obj.get("spec") or {}
        finalizers = list(spec.get("finalizers") or ())
        if _FINALIZER not in finalizers:
            finalizers.append(_FINALIZER)
        obj["spec"] = {**spec, "finalizers": finalizers}
        self.default(obj)  # a generated name is known only now

    def prepare_for_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """Finalizers change through their own subresource."""
        obj["spec"] = old.get("spec") or {}

    def prepare_for_status_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """The phase follows from deletion."""
        obj["spec"] = old.get("spec") or {}

    def prepare_for_subresource_update(self, subresource: str, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """Finalize: everything but the finalizers stays."""
        if subresource == "finalize":
            obj["status"] = old.get("status") or {}

    def validate(self, obj: Object) -> list[FieldError]:
        """Finalizers are qualified names."""
        return _finalizer_errors(obj)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Terminating while it is being deleted, and only then."""
        phase = (obj.get("status") or {}).get("phase")
        deleted = obj["metadata"].get("deletionTimestamp")
        if not deleted and phase != "Active":
            return [invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")]
        if deleted and phase != "Terminating":
            return [invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
        return []

    def validate_subresource_update(self, subresource: str, obj: Object, old: Object) -> list[FieldError]:
        """As at creation."""
        return _finalizer_errors(obj)


def _finalizer_errors(obj: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for index, name in enumerate((obj.get("spec") or {}).get("finalizers") or ()):
        here = f"spec.finalizers[{index}]"
        found += [invalid(here, name, problem) for problem in qualified_name_errors(name)]
        if "/" not in name and name not in (_FINALIZER, "orphan", "foregroundDeletion"):
            found.append(invalid(here, name, "name is neither a standard finalizer name nor is it fully qualified"))
    return found
