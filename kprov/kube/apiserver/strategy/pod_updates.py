"""What may change in a pod that is there already: hardly anything."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, dns_subdomain_error, forbidden, invalid, required
from kprov.kube.apiserver.strategy.equality import differences, semantically_equal
from kprov.kube.apiserver.strategy.fields import qualified_name_errors
from kprov.kube.apiserver.strategy.pod_validation import validate_pod

Object = dict[str, Any]

_ONLY = (
    "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
    "`spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), "
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(pod: Object, old: Object) -> list[FieldError]:
    """What is wrong with an update of a pod."""
    spec, before = pod["spec"], old["spec"]
    if spec == before:  # labels, annotations, finalizers: the spec was found good when it came
        return []
    found = validate_pod(pod)
    for field in ("containers", "initContainers"):
        new, present = spec.get(field) or [], before.get(field) or []
        if len(new) != len(present):
            return [*found, forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
        for index, container in enumerate(new):
            if not str(container.get("image") or "").strip():
                found.append(required(f"spec.{field}[{index}].image"))
    found += _deadline_errors(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    found += _toleration_errors(spec.get("tolerations") or [], before.get("tolerations") or [])
    compared = _with_allowed_changes(spec, before)
    if not semantically_equal(compared, before):
        changed = ", ".join(f"spec.{place}" for place in differences(compared, before))
        found.append(forbidden("spec", f"{_ONLY}\nchanged: {changed}"))
    return found


def _with_allowed_changes(spec: Object, before: Object) -> Object:
    """The new spec with what may change taken back, so that the rest can be compared."""
    compared = dict(spec)
    for field in ("containers", "initContainers"):
        if spec.get(field):
            compared[field] = [
                {**container, "image": present.get("image")}
                for container, present in zip(spec[field], before[field], strict=True)
            ]
    for field in ("activeDeadlineSeconds", "tolerations", "ephemeralContainers"):
        compared[field] = before.get(field)
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        compared["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    if before.get("schedulingGates"):
        # Gates are taken away, and while one is left, the pod may be steered more narrowly.
        kept = [gate for gate in before["schedulingGates"] if gate in (spec.get("schedulingGates") or [])]
        if (spec.get("schedulingGates") or []) == kept:
            compared["schedulingGates"] = before["schedulingGates"]
        selector = before.get("nodeSelector") or {}
        if all((spec.get("nodeSelector") or {}).get(key) == value for key, value in selector.items()):
            compared["nodeSelector"] = before.get("nodeSelector")
    return compared


def _deadline_errors(new: int | None, old: int | None) -> list[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if new is None:
        return [] if old is None else [invalid(path, None, "must not update from a positive integer to nil value")]
    if old is not None and old < new:
        return [invalid(path, new, "must be less than or equal to previous value")]
    return []


def _toleration_errors(new: list[Object], old: list[Object]) -> list[FieldError]:
    """Existing tolerations stay; only how long they tolerate may change."""

    def bare(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds" and value}

    present = [bare(each) for each in new]
    if any(bare(each) not in present for each in old):
        return [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]
    return []


def validate_pod_status_update(pod: Object, old: Object) -> list[FieldError]:
    """What is wrong with a kubelet's report."""
    found: list[FieldError] = []
    status, before = pod.get("status") or {}, old.get("status") or {}
    nominated = status.get("nominatedNodeName")
    if nominated and nominated != before.get("nominatedNodeName"):
        error = dns_subdomain_error(nominated)
        found += [invalid("status.nominatedNodeName", nominated, error)] if error else []
    for index, condition in enumerate(status.get("conditions") or ()):
        kind, path = condition.get("type") or "", f"status.conditions[{index}].type"
        found += [invalid(path, kind, problem) for problem in qualified_name_errors(kind)]
    policy = old["spec"].get("restartPolicy")
    for field in ("containerStatuses", "initContainerStatuses"):
        for index, each in enumerate(status.get(field) or ()):
            if not each.get("name"):
                found.append(required(f"status.{field}[{index}].name"))
        found += _transition_errors(status.get(field) or [], before.get(field) or [], f"status.{field}", policy, old)
    return found


def _transition_errors(
    new: list[Object], old: list[Object], path: str, policy: str | None, pod: Object
) -> list[FieldError]:
    """A container that is not to be restarted stays terminated."""
    if policy == "Always":
        return []
    sidecars = {
        container["name"] for container in pod["spec"].get("initContainers") or () if container.get("restartPolicy")
    }
    found = []
    for index, status in enumerate(old):
        ended = (status.get("state") or {}).get("terminated")
        if not ended or status.get("name") in sidecars or (ended.get("exitCode") and policy == "OnFailure"):
            continue
        for now in new:
            if now.get("name") == status.get("name") and not (now.get("state") or {}).get("terminated"):
                found.append(forbidden(f"{path}[{index}].state", "may not be transitioned to non-terminated state"))
    return found


def validate_ephemeral_containers_update(pod: Object, old: Object) -> list[FieldError]:
    """Ephemeral containers are added, never changed or removed."""
    path = "spec.ephemeralContainers"
    found = [error for error in validate_pod(pod) if error.field.startswith(path)]
    new = {container.get("name"): container for container in pod["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if name not in new:
            found.append(forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif not semantically_equal(new[name], container):
            found.append(forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n'))
    return found


def validate_pod_resize(pod: Object, old: Object) -> list[FieldError]:
    """Only requests and limits of CPU and memory are resized."""
    found = validate_pod(pod)
    for field in ("containers", "initContainers"):
        new, present = pod["spec"].get(field) or [], old["spec"].get(field) or []
        if len(new) != len(present):
            return [*found, forbidden("spec", "only cpu and memory resources are mutable")]
        for one, other in zip(new, present, strict=True):
            if not semantically_equal({**one, "resources": None}, {**other, "resources": None}):
                found.append(forbidden("spec", "only cpu and memory resources are mutable"))
    return found
