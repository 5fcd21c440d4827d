"""Events."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, invalid

Object = dict[str, Any]


class EventStrategy(Strategy):
    """Events, in either of their two groups: an event lies in the namespace of what it is about."""

    def validate(self, obj: Object) -> list[FieldError]:
        """The namespaces agree."""
        about = obj.get("involvedObject") or obj.get("regarding") or {}
        field = "involvedObject" if "involvedObject" in obj else "regarding"
        namespace = obj["metadata"].get("namespace") or ""
        wanted = about.get("namespace") or "default"
        if namespace != wanted and not (not about.get("namespace") and namespace == "kube-system"):
            message = "does not match event.namespace"
            return [invalid(f"{field}.namespace", about.get("namespace") or "", message)]
        return []

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """As at creation."""
        return self.validate(obj)


STRATEGIES: dict[str, Strategy] = {"events": EventStrategy()}
