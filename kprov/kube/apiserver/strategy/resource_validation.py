"""What is wrong with requests, limits and lists of resources."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.quantity import QuantityError, parse
from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid, required
from kprov.kube.apiserver.strategy.fields import NOT_NEGATIVE, qualified_name_errors, quantity_errors

Object = dict[str, Any]

_STANDARD = frozenset(("cpu", "memory", "ephemeral-storage"))
_HUGE = "hugepages-"
_NATIVE = "kubernetes.io/"


def is_huge_page(name: str) -> bool:
    """Whether a resource is memory in huge pages."""
    return name.startswith(_HUGE)


def may_be_overcommitted(name: str) -> bool:
    """Whether a limit may exceed the request: true of the kernel's own resources, but not of huge pages and devices."""
    return ("/" not in name or _NATIVE in name) and not is_huge_page(name)


def resource_name_errors(name: str, path: str) -> list[FieldError]:
    """That a container can ask for a resource of this name."""
    found = [invalid(path, name, problem) for problem in qualified_name_errors(name)]
    if found:
        return found
    if "/" not in name:
        if name in _STANDARD or is_huge_page(name):
            return []
        return [invalid(path, name, "must be a standard resource for containers")]
    if _NATIVE not in name and name.startswith("requests."):
        return [invalid(path, name, "doesn't follow extended resource name standard")]
    return []


def amount_errors(name: str, quantity: Any, path: str) -> list[FieldError]:
    """That an amount of a resource makes sense."""
    found = quantity_errors(quantity, path)
    if not found and "/" in name and _NATIVE not in name and parse(quantity) != int(parse(quantity)):
        found.append(invalid(path, quantity, "must be an integer"))
    return found


def _exact(quantity: Any) -> Any:
    try:
        return parse(quantity)
    except QuantityError:
        return None


def validate_requirements(resources: Object, path: str) -> list[FieldError]:
    """What is wrong with a container's requests and limits."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    found: list[FieldError] = []
    for name, quantity in limits.items():
        found += resource_name_errors(name, f"{path}.limits[{name}]")
        found += amount_errors(name, quantity, f"{path}.limits[{name}]")
    for name, quantity in requests.items():
        found += resource_name_errors(name, f"{path}.requests[{name}]")
        found += amount_errors(name, quantity, f"{path}.requests[{name}]")
        asked, limit = _exact(quantity), _exact(limits[name]) if name in limits else None
        if name not in limits:
            if not may_be_overcommitted(name):
                found.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        elif asked is not None and limit is not None:
            if asked != limit and not may_be_overcommitted(name):
                found.append(invalid(f"{path}.requests", str(quantity), f"must be equal to {name} limit"))
            elif asked > limit:
                message = f"must be less than or equal to {name} limit of {limits[name]}"
                found.append(invalid(f"{path}.requests", str(quantity), message))
    names = {*limits, *requests}
    if any(is_huge_page(name) for name in names) and not names & {"cpu", "memory"}:
        found.append(forbidden(path, "HugePages require cpu or memory"))
    return found


def positive_errors(quantity: Any, path: str) -> list[FieldError]:
    """That an amount is more than nothing."""
    found = quantity_errors(quantity, path)
    if not found and parse(quantity) <= 0:
        found.append(invalid(path, str(quantity), NOT_NEGATIVE))
    return found
