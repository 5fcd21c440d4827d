"""What an object uses of a quota: itself, and for pods, claims and services what they ask for."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from kprov.kube.api.quantity import QuantityError, parse
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.strategy.qos import qos_class
from kprov.kube.apiserver.strategy.resource_validation import may_be_overcommitted

Object = dict[str, Any]
Amount = int | Fraction
Usage = dict[str, Amount]

# Kinds that quotas count under their bare name too, as they did before they could count everything.
_BARE = frozenset(("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
                   "persistentvolumeclaims"))  # fmt: skip
_CLASS = ".storageclass.storage.k8s.io/"


def counted_name(info: ResourceInfo) -> str:
    """The name under which a quota counts a kind."""
    return f"count/{info.group_resource}"


def usage_of(info: ResourceInfo, obj: Object) -> Usage:
    """Everything that an object uses."""
    used: Usage = {counted_name(info): 1}
    if info.key == ("", "pods"):
        if is_finished(obj):
            return used
        used["pods"] = 1
        used.update(_compute(obj.get("spec") or {}))
        return used
    if not info.group and info.plural in _BARE:
        used[info.plural] = 1
    if info.key == ("", "services"):
        used.update(_of_service(obj.get("spec") or {}))
    elif info.key == ("", "persistentvolumeclaims"):
        used.update(_of_claim(obj))
    return used


def is_finished(pod: Object) -> bool:
    """Whether a pod no longer uses compute: it has ended, or should have gone by now."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def _amount(quantity: Any) -> Amount:
    try:
        return parse(quantity)
    except QuantityError:
        return 0


def pod_total(spec: Object, kind: str) -> Usage:
    """A pod's requests or limits: its containers together, or the largest init container, and its overhead."""
    total: Usage = {}
    for container in spec.get("containers") or ():
        for name, quantity in ((container.get("resources") or {}).get(kind) or {}).items():
            total[name] = total.get(name, 0) + _amount(quantity)
    sidecars: Usage = {}
    largest: Usage = {}
    for container in spec.get("initContainers") or ():
        given = (container.get("resources") or {}).get(kind) or {}
        stays = container.get("restartPolicy") == "Always"
        for name, quantity in given.items():
            if stays:
                sidecars[name] = sidecars.get(name, 0) + _amount(quantity)
            needed = sidecars[name] if stays else sidecars.get(name, 0) + _amount(quantity)
            largest[name] = max(largest.get(name, 0), needed)
    for name, amount in sidecars.items():
        total[name] = total.get(name, 0) + amount
    for name, amount in largest.items():
        total[name] = max(total.get(name, 0), amount)
    for name, quantity in (spec.get("overhead") or {}).items():
        if kind == "requests" or name in total:
            total[name] = total.get(name, 0) + _amount(quantity)
    return total


def _compute(spec: Object) -> Usage:
    used: Usage = {}
    for name, amount in pod_total(spec, "requests").items():
        used[f"requests.{name}"] = amount
        if name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-"):
            used[name] = amount
    for name, amount in pod_total(spec, "limits").items():
        if may_be_overcommitted(name):
            used[f"limits.{name}"] = amount
    return used


def _of_service(spec: Object) -> Usage:
    used: Usage = {"services.nodeports": 0, "services.loadbalancers": 0}
    ports = spec.get("ports") or []
    if spec.get("type") == "NodePort":
        used["services.nodeports"] = len(ports)
    elif spec.get("type") == "LoadBalancer":
        used["services.loadbalancers"] = 1
        if spec.get("allocateLoadBalancerNodePorts") is False:
            used["services.nodeports"] = sum(1 for port in ports if port.get("nodePort"))
        else:
            used["services.nodeports"] = len(ports)
    return used


def _of_claim(claim: Object) -> Usage:
    spec = claim.get("spec") or {}
    size = _amount(((spec.get("resources") or {}).get("requests") or {}).get("storage") or 0)
    used: Usage = {"requests.storage": size}
    name = spec.get("storageClassName")
    if name:
        used[f"{name}{_CLASS}persistentvolumeclaims"] = 1
        used[f"{name}{_CLASS}requests.storage"] = size
    return used


def in_scope(pod: Object, quota_spec: Object) -> bool:
    """Whether a quota's scopes take a pod in."""
    wanted = [{"scopeName": scope, "operator": "Exists"} for scope in quota_spec.get("scopes") or ()]
    wanted += (quota_spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_matches(pod, each) for each in wanted)


def _matches(pod: Object, requirement: Object) -> bool:
    spec = pod.get("spec") or {}
    match requirement.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return qos_class(spec) == "BestEffort"
        case "NotBestEffort":
            return qos_class(spec) != "BestEffort"
        case "PriorityClass":
            return _matches_class(spec.get("priorityClassName") or "", requirement)
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec)
    return False


def _matches_class(name: str, requirement: Object) -> bool:
    values = requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return not name
    return bool(name)


def _crosses_namespaces(spec: Object) -> bool:
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        found = list(terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        found += [
            each.get("podAffinityTerm") or {}
            for each in terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in found):
            return True
    return False
