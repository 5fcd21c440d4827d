"""What single objects take from a quota."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from kprov.kube.api import quantity
from kprov.kube.controllers import pod_state

Object = dict[str, Any]
_SHORT = ("cpu", "memory", "ephemeral-storage")


def _effective(pod: Object, kind: str) -> dict[str, Fraction]:
    """A pod's requests or limits: the containers' sum, or a single init container's if that is more."""
    total: dict[str, Fraction] = {}
    spec = pod["spec"]
    for container in spec.get("containers") or ():
        for name, amount in ((container.get("resources") or {}).get(kind) or {}).items():
            total[name] = total.get(name, Fraction(0)) + Fraction(quantity.parse(amount))
    running: dict[str, Fraction] = {}
    for container in spec.get("initContainers") or ():
        own = {n: Fraction(quantity.parse(a)) for n, a in ((container.get("resources") or {}).get(kind) or {}).items()}
        if container.get("restartPolicy") == "Always":
            for name, amount in own.items():
                running[name] = running.get(name, Fraction(0)) + amount
                total[name] = total.get(name, Fraction(0)) + amount
        else:
            for name, amount in own.items():
                total[name] = max(total.get(name, Fraction(0)), amount + running.get(name, Fraction(0)))
    for name, text in (spec.get("overhead") or {}).items():
        if kind == "requests" or name in total:
            total[name] = total.get(name, Fraction(0)) + Fraction(quantity.parse(text))
    return total


def pod_usage(pod: Object) -> dict[str, Fraction]:
    """What a pod takes. A finished pod takes only its place in ``count/pods``."""
    usage = {"count/pods": Fraction(1)}
    if pod_state.is_finished(pod):
        return usage
    usage["pods"] = Fraction(1)
    for name, amount in _effective(pod, "requests").items():
        usage[f"requests.{name}"] = amount
        if name in _SHORT:
            usage[name] = amount
        if name.startswith("hugepages-"):
            usage[name] = amount
    for name, amount in _effective(pod, "limits").items():
        usage[f"limits.{name}"] = amount
    return usage


def service_usage(service: Object) -> dict[str, Fraction]:
    """What a Service takes."""
    spec = service["spec"]
    usage = {"services": Fraction(1), "count/services": Fraction(1)}
    kind, ports = spec.get("type", "ClusterIP"), Fraction(len(spec.get("ports") or ()))
    if kind == "NodePort":
        usage["services.nodeports"] = ports
    elif kind == "LoadBalancer":
        usage["services.loadbalancers"] = Fraction(1)
        if spec.get("allocateLoadBalancerNodePorts", True):
            usage["services.nodeports"] = ports
    return usage


def claim_usage(claim: Object) -> dict[str, Fraction]:
    """What a volume claim takes, in sum and for its storage class."""
    spec = claim["spec"]
    text = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")
    storage = Fraction(quantity.parse(text))
    one = Fraction(1)
    usage = {"persistentvolumeclaims": one, "count/persistentvolumeclaims": one, "requests.storage": storage}
    if spec.get("storageClassName"):
        prefix = f"{spec['storageClassName']}.storageclass.storage.k8s.io"
        usage[f"{prefix}/requests.storage"] = storage
        usage[f"{prefix}/persistentvolumeclaims"] = Fraction(1)
    return usage


def is_best_effort(pod: Object) -> bool:
    """Whether no container asks for, or is limited to, CPU or memory."""
    for container in [*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())]:
        resources = container.get("resources") or {}
        for kind in ("requests", "limits"):
            for name in ("cpu", "memory"):
                if quantity.parse((resources.get(kind) or {}).get(name, "0")) != 0:
                    return False
    return True


def _in_scope(pod: Object, requirement: Object) -> bool:
    name = requirement["scopeName"]
    terminating = pod["spec"].get("activeDeadlineSeconds") is not None
    match name:
        case "Terminating":
            return terminating
        case "NotTerminating":
            return not terminating
        case "BestEffort":
            return is_best_effort(pod)
        case "NotBestEffort":
            return not is_best_effort(pod)
        case "PriorityClass":
            found = pod["spec"].get("priorityClassName", "")
            values = requirement.get("values") or []
            return {
                "In": found in values,
                "NotIn": found not in values,
                "Exists": bool(found),
                "DoesNotExist": not found,
            }.get(requirement.get("operator", "Exists"), False)
        case "CrossNamespacePodAffinity":
            return False
    return False


def pod_in_scopes(pod: Object, quota: Object) -> bool:
    """Whether the quota's scopes include this pod."""
    spec = quota["spec"]
    requirements = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    requirements += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_in_scope(pod, requirement) for requirement in requirements)
