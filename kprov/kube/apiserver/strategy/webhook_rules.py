"""Rules of admission webhooks: which operations on which resources they are asked about."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, dns_label_error, invalid, not_supported, required

Object = dict[str, Any]

_OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]
_SCOPES = ["*", "Cluster", "Namespaced"]
_SPOKEN = ("v1", "v1beta1")
_WHAT = {"operations": "operations", "apiGroups": "API groups", "apiVersions": "API versions"}


def rule_errors(rules: Any, path: str) -> list[FieldError]:
    """What is wrong with a webhook's rules."""
    found: list[FieldError] = []
    for index, rule in enumerate(rules or ()):
        here = f"{path}[{index}]"
        for field, words in _WHAT.items():
            values = rule.get(field) or []
            if not values:
                found.append(required(f"{here}.{field}"))
            elif len(values) > 1 and "*" in values:
                found.append(invalid(f"{here}.{field}", values, f"if '*' is present, must not specify other {words}"))
        for position, value in enumerate(rule.get("operations") or ()):
            if value not in _OPERATIONS:
                found.append(not_supported(f"{here}.operations[{position}]", value, _OPERATIONS))
        for position, value in enumerate(rule.get("apiVersions") or ()):
            if not value:
                found.append(required(f"{here}.apiVersions[{position}]"))
        found += _resource_errors(rule.get("resources") or [], f"{here}.resources")
        if rule.get("scope") not in (None, *_SCOPES):
            found.append(not_supported(f"{here}.scope", rule["scope"], _SCOPES))
    return found


def _resource_errors(resources: list[Any], path: str) -> list[FieldError]:
    if not resources:
        return [required(path)]
    found: list[FieldError] = []
    for index, each in enumerate(resources):
        here = f"{path}[{index}]"
        name, _, part = str(each).partition("/")
        if not each:
            found.append(required(here))
        elif each == "*/*" and len(resources) > 1:
            found.append(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
        elif name != "*" and part and f"{name}/*" in resources and part != "*":
            found.append(invalid(here, each, f"if '{name}/*' is present, must not specify {each}"))
        elif name != "*" and part and part != "*" and f"*/{part}" in resources:
            found.append(invalid(here, each, f"if '*/{part}' is present, must not specify {each}"))
        elif each != "*" and not part and "*" in resources:
            message = "if '*' is present, must not specify other resources without subresources"
            found.append(invalid(path, resources, message))
    return found


def review_version_errors(versions: Any, path: str) -> list[FieldError]:
    """What is wrong with the versions of AdmissionReview that a webhook understands."""
    if not versions:
        return [required(path, f"must specify one of {', '.join(_SPOKEN)}")]
    found = []
    for index, version in enumerate(versions):
        if error := dns_label_error(str(version)):
            found.append(invalid(f"{path}[{index}]", version, error))
        elif version in versions[:index]:
            found.append(invalid(f"{path}[{index}]", version, "duplicate version"))
    if not set(versions) & set(_SPOKEN):
        found.append(invalid(path, versions, f"must include at least one of {', '.join(_SPOKEN)}"))
    return found
