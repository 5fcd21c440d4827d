"""Nodes."""

from __future__ import annotations

import ipaddress
from typing import Any

from kprov.kube.apiserver.strategy.affinity_validation import EFFECTS
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.fields import (
    label_value_errors,
    qualified_name_errors,
    quantity_errors,
)
from kprov.kube.apiserver.strategy.quantities import normalize

Object = dict[str, Any]


class NodeStrategy(Strategy):
    """Nodes: a pod network's range is given once; the rest is the kubelet's."""

    def default(self, obj: Object) -> None:
        """What can be allocated is everything, where the node does not say; podCIDR and podCIDRs agree."""
        status = obj.get("status") or {}
        if status.get("capacity") and status.get("allocatable") is None:
            status["allocatable"] = dict(status["capacity"])
        normalize(status.get("capacity"))
        normalize(status.get("allocatable"))
        spec = obj.setdefault("spec", {})
        if spec.get("podCIDR") and not spec.get("podCIDRs"):
            spec["podCIDRs"] = [spec["podCIDR"]]
        elif spec.get("podCIDRs") and not spec.get("podCIDR"):
            spec["podCIDR"] = spec["podCIDRs"][0]

    def prepare_for_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """A provider's name for the machine, once known, stays."""
        spec, before = obj.setdefault("spec", {}), old.get("spec") or {}
        for field in ("podCIDR", "podCIDRs"):
            if field in before and not spec.get(field):
                spec[field] = before[field]

    def validate(self, obj: Object) -> list[FieldError]:
        """Taints, ranges and resources."""
        spec = obj.get("spec") or {}
        found = _taint_errors(spec.get("taints") or [])
        for index, network in enumerate(spec.get("podCIDRs") or ()):
            try:
                ipaddress.ip_network(network)
            except ValueError:
                message = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
                found.append(invalid(f"spec.podCIDRs[{index}]", network, message))
        return found + _resource_errors(obj)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The pod network's range and the provider's name do not change."""
        found = self.validate(obj)
        spec, before = obj.get("spec") or {}, old.get("spec") or {}
        if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
            message = 'node updates may not change podCIDR except from "" to valid'
            found.append(forbidden("spec.podCIDRs", message))
        if before.get("providerID") and spec.get("providerID") != before["providerID"]:
            message = 'node updates may not change providerID except from "" to valid'
            found.append(forbidden("spec.providerID", message))
        return found

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Addresses once each; quantities that are ones."""
        found = _resource_errors(obj)
        seen = set()
        for index, address in enumerate((obj.get("status") or {}).get("addresses") or ()):
            key = (address.get("type"), address.get("address"))
            if key in seen:
                found.append(duplicate(f"status.addresses[{index}]", address))
            seen.add(key)
        return found


def _resource_errors(obj: Object) -> list[FieldError]:
    status = obj.get("status") or {}
    return [
        error
        for field in ("capacity", "allocatable")
        for name, quantity in (status.get(field) or {}).items()
        for error in quantity_errors(quantity, f"status.{field}[{name}]")
    ]


def _taint_errors(taints: list[Object]) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        here, key, effect = f"spec.taints[{index}]", taint.get("key") or "", taint.get("effect") or ""
        found += [invalid(f"{here}.key", key, problem) for problem in qualified_name_errors(key)]
        value = taint.get("value") or ""
        found += [invalid(f"{here}.value", value, problem) for problem in label_value_errors(value)]
        if not effect:
            found.append(required(f"{here}.effect"))
        elif effect not in EFFECTS:
            found.append(not_supported(f"{here}.effect", effect, EFFECTS))
        if (key, effect) in seen:
            error = duplicate(here, {"key": key, "effect": effect})
            found.append(
                FieldError(error.field, error.reason, f"{error.body}: taints must be unique by key and effect pair")
            )
        seen.add((key, effect))
    return found
