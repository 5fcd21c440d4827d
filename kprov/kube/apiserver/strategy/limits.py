"""What a namespace may use: limit ranges and resource quotas."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.quantity import QuantityError, parse
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
from kprov.kube.apiserver.strategy.equality import semantically_equal
from kprov.kube.apiserver.strategy.fields import IMMUTABLE, qualified_name_errors, quantity_errors
from kprov.kube.apiserver.strategy.quantities import normalize

Object = dict[str, Any]

_LIMIT_TYPES = ["Container", "PersistentVolumeClaim", "Pod"]
_LISTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


class LimitRangeStrategy(Strategy):
    """Limit ranges."""

    def default(self, obj: Object) -> None:
        """Containers' defaults follow from each other: limit from max, request from limit, then from min."""
        for item in (obj.get("spec") or {}).get("limits") or ():
            for field in _LISTS:
                normalize(item.get(field))
            if item.get("type") != "Container":
                continue
            limits = item["default"] = dict(item.get("default") or {})
            requests = item["defaultRequest"] = dict(item.get("defaultRequest") or {})
            for source, target in (
                (item.get("max") or {}, limits),
                (limits, requests),
                (item.get("min") or {}, requests),
            ):
                for name, quantity in source.items():
                    target.setdefault(name, quantity)

    def validate(self, obj: Object) -> list[FieldError]:
        """Each type once, and no minimum above a maximum."""
        found: list[FieldError] = []
        types: set[str] = set()
        for index, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
            here, kind = f"spec.limits[{index}]", item.get("type") or ""
            if "/" not in kind and kind not in _LIMIT_TYPES:
                message = "must be a standard limit type or fully qualified"
                found.append(invalid(f"{here}.type", kind, message))
            if kind in types:
                found.append(duplicate(f"{here}.type", kind))
            types.add(kind)
            if kind == "Pod":
                for field in ("default", "defaultRequest"):
                    if item.get(field):
                        found.append(forbidden(f"{here}.{field}", "may not be specified when `type` is 'Pod'"))
            if kind == "PersistentVolumeClaim" and not any(
                "storage" in (item.get(end) or {}) for end in ("min", "max")
            ):
                message = "either minimum or maximum storage value is required, but neither was provided"
                found.append(required(f"{here}.limits", message))
            found += _order_errors(item, here)
        return found


def _order_errors(item: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    exact: dict[str, dict[str, Any]] = {}
    for field in _LISTS:
        exact[field] = {}
        for name, quantity in (item.get(field) or {}).items():
            problems = quantity_errors(quantity, f"{path}.{field}[{name}]")
            found += problems
            if not problems:
                exact[field][name] = parse(quantity)
    for low, high, words in (
        ("min", "max", "min value {} is greater than max value {}"),
        ("min", "defaultRequest", "min value {} is greater than default request value {}"),
        ("defaultRequest", "max", "default request value {} is greater than max value {}"),
        ("defaultRequest", "default", "default request value {} is greater than default limit value {}"),
        ("min", "default", "min value {} is greater than default value {}"),
        ("default", "max", "default value {} is greater than max value {}"),
    ):
        for name, value in exact[low].items():
            if name in exact[high] and value > exact[high][name]:
                shown = words.format(item[low][name], item[high][name])
                found.append(invalid(f"{path}.{low}[{name}]", str(item[low][name]), shown))
    for name, ratio in exact["maxLimitRequestRatio"].items():
        if ratio < 1:
            message = f"ratio {item['maxLimitRequestRatio'][name]} is less than 1"
            found.append(
                invalid(f"{path}.maxLimitRequestRatio[{name}]", str(item["maxLimitRequestRatio"][name]), message)
            )
    return found


_SCOPES = [
    "BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating",
]  # fmt: skip
_COUNTED = frozenset(
    (
        "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage",
        "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "services",
        "services.nodeports", "services.loadbalancers", "replicationcontrollers", "resourcequotas", "secrets",
        "configmaps", "persistentvolumeclaims",
    )
)  # fmt: skip
_PAGES = ("hugepages-", "requests.hugepages-", "limits.hugepages-")
_OPPOSITES = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})


class ResourceQuotaStrategy(Strategy):
    """Resource quotas: what is used is the controller's to say."""

    def default(self, obj: Object) -> None:
        """Quantities in canonical form."""
        normalize((obj.get("spec") or {}).get("hard"))
        for field in ("hard", "used"):
            normalize((obj.get("status") or {}).get(field))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing is used yet."""
        obj["status"] = {}

    def validate(self, obj: Object) -> list[FieldError]:
        """Names, amounts and scopes."""
        spec = obj.get("spec") or {}
        found = _amounts(spec.get("hard"), "spec.hard")
        for name in spec.get("hard") or ():
            if "/" not in name and name not in _COUNTED and not name.startswith(_PAGES):
                found.append(invalid(f"spec.hard[{name}]", name, "must be a standard resource for quota"))
        scopes = set(spec.get("scopes") or ())
        for scope in spec.get("scopes") or ():
            if scope not in _SCOPES:
                found.append(invalid("spec.scopes", spec["scopes"], "unsupported scope"))
        if any(pair <= scopes for pair in _OPPOSITES):
            found.append(invalid("spec.scopes", spec["scopes"], "conflicting scopes"))
        for index, each in enumerate((spec.get("scopeSelector") or {}).get("matchExpressions") or ()):
            here = f"spec.scopeSelector.matchExpressions[{index}]"
            if each.get("scopeName") not in _SCOPES:
                found.append(invalid(f"{here}.scopeName", each.get("scopeName"), "unsupported scope"))
            operator, values = each.get("operator"), each.get("values") or []
            if operator in ("In", "NotIn") and not values:
                found.append(
                    required(
                        f"{here}.values",
                        "must be atleast one value when `operator` is 'In' or 'NotIn' for scope selector",
                    )
                )
            elif operator in ("Exists", "DoesNotExist") and values:
                found.append(
                    invalid(
                        f"{here}.values",
                        values,
                        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
                    )
                )
            elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
                found.append(not_supported(f"{here}.operator", operator, ["In", "NotIn", "Exists", "DoesNotExist"]))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Scopes do not change."""
        found = self.validate(obj)
        new, before = (obj.get("spec") or {}).get("scopes"), (old.get("spec") or {}).get("scopes")
        if not semantically_equal(sorted(new or ()), sorted(before or ())):
            found.append(invalid("spec.scopes", new, IMMUTABLE))
        return found

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Names and amounts."""
        status = obj.get("status") or {}
        return _amounts(status.get("hard"), "status.hard") + _amounts(status.get("used"), "status.used")


def _amounts(amounts: Object | None, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for name, quantity in (amounts or {}).items():
        here = f"{path}[{name}]"
        found += [invalid(here, name, problem) for problem in qualified_name_errors(name)]
        found += quantity_errors(quantity, here)
        try:
            if "memory" not in name and "cpu" not in name and "storage" not in name and parse(quantity) % 1:
                found.append(invalid(here, str(quantity), "must be an integer"))
        except QuantityError:
            continue
    return found
