"""The kinds of the node.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, invalid
from kprov.kube.apiserver.strategy.fields import IMMUTABLE, label_errors, name_errors, quantity_errors
from kprov.kube.apiserver.strategy.quantities import normalize

Object = dict[str, Any]


class RuntimeClassStrategy(Strategy):
    """Runtime classes."""

    def default(self, obj: Object) -> None:
        """Quantities in canonical form."""
        normalize((obj.get("overhead") or {}).get("podFixed"))

    def validate(self, obj: Object) -> list[FieldError]:
        """The handler is a label."""
        found = name_errors(obj.get("handler"), "handler", label=True)
        for name, quantity in ((obj.get("overhead") or {}).get("podFixed") or {}).items():
            found += quantity_errors(quantity, f"overhead.podFixed[{name}]")
        return found + label_errors((obj.get("scheduling") or {}).get("nodeSelector"), "scheduling.nodeSelector")

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The handler stays."""
        changed = obj.get("handler") != old.get("handler")
        return self.validate(obj) + ([invalid("handler", obj.get("handler"), IMMUTABLE)] if changed else [])


STRATEGIES: dict[str, Strategy] = {"runtimeclasses": RuntimeClassStrategy()}
