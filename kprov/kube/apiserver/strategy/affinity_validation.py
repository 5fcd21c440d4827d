"""What is wrong with what a pod says about where it runs: affinity, tolerations, topology spread."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid, not_supported, required
from kprov.kube.apiserver.strategy.fields import (
    label_value_errors,
    name_errors,
    qualified_name_errors,
    selector_errors,
)

Object = dict[str, Any]

EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"]
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_UNSATISFIABLE = ["DoNotSchedule", "ScheduleAnyway"]


def validate_affinity(affinity: Object | None, path: str) -> list[FieldError]:
    """What is wrong with a pod's affinity."""
    found: list[FieldError] = []
    node = (affinity or {}).get("nodeAffinity") or {}
    if node.get(_REQUIRED) is not None:
        found += validate_node_selector(node[_REQUIRED], f"{path}.nodeAffinity.{_REQUIRED}")
    for index, term in enumerate(node.get(_PREFERRED) or ()):
        here = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
        found += _weight(term, here)
        found += _selector_term(term.get("preference") or {}, f"{here}.preference")
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = (affinity or {}).get(kind) or {}
        for index, term in enumerate(terms.get(_REQUIRED) or ()):
            found += _pod_term(term, f"{path}.{kind}.{_REQUIRED}[{index}]")
        for index, term in enumerate(terms.get(_PREFERRED) or ()):
            here = f"{path}.{kind}.{_PREFERRED}[{index}]"
            found += _weight(term, here)
            found += _pod_term(term.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm")
    return found


def _weight(term: Object, path: str) -> list[FieldError]:
    weight = term.get("weight") or 0
    return [] if 0 < weight <= 100 else [invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def validate_node_selector(selector: Object, path: str) -> list[FieldError]:
    """What is wrong with a NodeSelector."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        return [required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    return [
        error
        for index, term in enumerate(terms)
        for error in _selector_term(term, f"{path}.nodeSelectorTerms[{index}]")
    ]


def _selector_term(term: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, each in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        found += _node_requirement(each, here)
        found += [invalid(f"{here}.key", each.get("key"), p) for p in qualified_name_errors(each.get("key") or "")]
    for index, each in enumerate(term.get("matchFields") or ()):
        here = f"{path}.matchFields[{index}]"
        if each.get("operator") not in ("In", "NotIn"):
            found.append(invalid(f"{here}.operator", each.get("operator"), "not a valid selector operator"))
        elif len(each.get("values") or ()) != 1:
            found.append(
                required(
                    f"{here}.values",
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
                )
            )
        if each.get("key") != "metadata.name":
            found.append(invalid(f"{here}.key", each.get("key"), "not a valid field selector key"))
    return found


def _node_requirement(requirement: Object, path: str) -> list[FieldError]:
    operator, values = requirement.get("operator"), requirement.get("values") or []
    match operator:
        case "In" | "NotIn":
            if not values:
                return [required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")]
        case "Exists" | "DoesNotExist":
            if values:
                message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                return [forbidden(f"{path}.values", message)]
        case "Gt" | "Lt":
            if len(values) != 1:
                return [required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")]
        case _:
            return [invalid(f"{path}.operator", operator or "", "not a valid selector operator")]
    return []


def _pod_term(term: Object, path: str) -> list[FieldError]:
    found = selector_errors(term.get("labelSelector"), f"{path}.labelSelector")
    found += selector_errors(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for index, namespace in enumerate(term.get("namespaces") or ()):
        found += name_errors(namespace, f"{path}.namespaces[{index}]", label=True)
    key = term.get("topologyKey")
    if not key:
        found.append(required(f"{path}.topologyKey", "can not be empty"))
    else:
        found += [invalid(f"{path}.topologyKey", key, problem) for problem in qualified_name_errors(key)]
    return found


def validate_tolerations(tolerations: list[Object], path: str) -> list[FieldError]:
    """What is wrong with tolerations."""
    found: list[FieldError] = []
    for index, each in enumerate(tolerations):
        here = f"{path}[{index}]"
        key, operator, effect = each.get("key") or "", each.get("operator") or "", each.get("effect") or ""
        if key:
            found += [invalid(f"{here}.key", key, problem) for problem in qualified_name_errors(key)]
        elif operator != "Exists":
            message = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.append(invalid(f"{here}.operator", operator, message))
        if each.get("tolerationSeconds") is not None and effect != "NoExecute":
            found.append(
                invalid(f"{here}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
            )
        if operator in ("Equal", ""):
            problems = label_value_errors(each.get("value") or "")
            if problems:
                found.append(invalid(f"{here}.operator", each.get("value"), ";".join(problems)))
        elif operator == "Exists":
            if each.get("value"):
                found.append(invalid(f"{here}.operator", each, "value must be empty when `operator` is 'Exists'"))
        else:
            found.append(not_supported(f"{here}.operator", operator, ["Equal", "Exists"]))
        if effect and effect not in EFFECTS:
            found.append(not_supported(f"{here}.effect", effect, EFFECTS))
    return found


def validate_topology_spread(constraints: list[Object], path: str) -> list[FieldError]:
    """What is wrong with topology spread constraints."""
    found: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, each in enumerate(constraints):
        here = f"{path}[{index}]"
        skew, key, policy = each.get("maxSkew") or 0, each.get("topologyKey") or "", each.get("whenUnsatisfiable") or ""
        if skew <= 0:
            found.append(invalid(f"{here}.maxSkew", skew, "must be greater than zero"))
        if not key:
            found.append(required(f"{here}.topologyKey", "can not be empty"))
        if policy not in _UNSATISFIABLE:
            found.append(not_supported(f"{here}.whenUnsatisfiable", policy, _UNSATISFIABLE))
        if (key, policy) in seen:
            from kprov.kube.apiserver.strategy.base import duplicate

            found.append(duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {policy}}}"))
        seen.add((key, policy))
        found += selector_errors(each.get("labelSelector"), f"{here}.labelSelector")
    return found
