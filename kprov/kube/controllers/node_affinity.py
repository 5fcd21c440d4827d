"""Whether a pod's node selector and required node affinity allow a node."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def _expression(values: dict[str, str], expression: Object) -> bool:
    found = values.get(expression["key"])
    wanted = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return found in wanted
        case "NotIn":
            return found is None or found not in wanted
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt" as operator:
            try:
                number, bound = int(found or ""), int(wanted[0])
            except (ValueError, IndexError):
                return False
            return number > bound if operator == "Gt" else number < bound
    return False


def _term(node: Object, term: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False  # an empty term matches nothing
    labels = node["metadata"].get("labels") or {}
    names = {"metadata.name": node["metadata"]["name"]}
    return all(_expression(labels, e) for e in expressions) and all(_expression(names, f) for f in fields)


def allows(pod_spec: Object, node: Object) -> bool:
    """Whether a pod with this spec may be on the node, taints aside."""
    labels = node["metadata"].get("labels") or {}
    if not (pod_spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term(node, term) for term in required.get("nodeSelectorTerms") or ())
