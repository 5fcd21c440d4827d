"""What pods have of their own: binding and eviction."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.api.selectors import from_label_selector
from kprov.kube.apiserver.admission.attributes import CREATE, AdmissionAttributes
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.conformance import held_against
from kprov.kube.apiserver.handlers.deletion import Deletion
from kprov.kube.apiserver.handlers.metadata import now
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request, Response, json_response
from kprov.kube.apiserver.resources import RESOURCES, ResourceInfo
from kprov.kube.apiserver.strategy.base import not_supported, required

Object = dict[str, Any]
_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
_PODS = RESOURCES["", "pods"]


async def _admit(parts: Parts, request: Request, subresource: str, name: str, obj: Object, dry_run: bool) -> None:
    attrs = AdmissionAttributes(
        user=request.user,
        operation=CREATE,
        resource_info=_PODS,
        version=request.info.api_version,
        subresource=subresource,
        namespace=request.info.namespace,
        name=name,
        obj=obj,
        dry_run=dry_run,
        warnings=request.warnings,
        audit=request.audit,
    )
    await parts.admission.mutate(attrs)
    await parts.admission.validate(attrs)


async def bind(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """POST of a Binding: the pod gets its node, once."""
    binding = held_against("core.v1.Binding", bodies.decode(request), "Binding")
    metadata = binding.get("metadata") or {}
    name = request.info.name or metadata.get("name") or ""
    if not name:
        raise errors.bad_request("Name parameter required.")
    if metadata.get("name") != name:
        raise errors.bad_request("name in URL does not match name in Binding object")
    target = binding.get("target") or {}
    if target.get("kind", "Node") not in ("", "Node"):
        wrong = not_supported("target.kind", target["kind"], ["Node", "<empty>"])
        raise errors.invalid("Binding", name, [wrong.cause()])
    if not target.get("name"):
        raise errors.invalid("Binding", name, [required("target.name").cause()])
    dry_run = bodies.dry_run(request, binding)
    await _admit(parts, request, "binding", name, binding, dry_run)

    def assign(pod: Object) -> Object:
        if metadata.get("uid") and metadata["uid"] != pod["metadata"].get("uid"):
            raise errors.conflict(
                _PODS,
                name,
                f"Precondition failed: UID in precondition: {metadata['uid']}, "
                f"UID in object meta: {pod['metadata']['uid']}",
            )
        if pod["metadata"].get("deletionTimestamp"):
            raise errors.conflict(_PODS, name, f"pod {name} is being deleted, cannot be assigned to a host")
        if pod["spec"].get("nodeName"):
            raise errors.conflict(_PODS, name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"')
        if pod["spec"].get("schedulingGates"):
            raise errors.conflict(_PODS, name, f"pod {name} has non-empty .spec.schedulingGates")
        pod["spec"]["nodeName"] = target["name"]
        if metadata.get("annotations"):
            pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **metadata["annotations"]}
        set_condition(pod, "PodScheduled", "True")
        return pod

    if not dry_run:
        await parts.store.update_entry(_PODS, request.info.namespace, name, assign)
    return json_response(_SUCCESS, 201)


def set_condition(obj: Object, kind: str, status: str) -> None:
    """Set a condition of an object's status."""
    conditions = obj.setdefault("status", {}).setdefault("conditions", [])
    for condition in conditions:
        if condition.get("type") == kind:
            if condition.get("status") != status:
                condition.update(status=status, lastTransitionTime=now())
                condition.pop("reason", None)
                condition.pop("message", None)
            return
    conditions.append({"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": now()})


async def evict(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """POST of an Eviction: delete the pod if its disruption budget lets it."""
    eviction = held_against("policy.v1.Eviction", bodies.decode(request), "Eviction")
    name, namespace = request.info.name, request.info.namespace
    if (eviction.get("metadata") or {}).get("name") != name:
        raise errors.bad_request("name in URL does not match name in Eviction object")
    options = eviction.get("deleteOptions") or {}
    dry_run = bodies.dry_run(request, options)
    await _admit(parts, request, "eviction", name, eviction, dry_run)
    pod = (await parts.store.get_entry(_PODS, namespace, name)).object()
    _check_preconditions(options.get("preconditions") or {}, pod)
    if not _goes_anyway(pod):
        await _spend_budget(parts, pod, dry_run)
    options = {**options, "preconditions": {**(options.get("preconditions") or {}), "uid": pod["metadata"]["uid"]}}
    await Deletion(parts, request, _PODS, options, dry_run=dry_run).run(namespace, name)
    return json_response(_SUCCESS, 201)


def _check_preconditions(wanted: Object, pod: Object) -> None:
    """See that it is the pod that the client means. Raises ApiError (409)."""
    metadata = pod["metadata"]
    words = {"uid": "UID", "resourceVersion": "ResourceVersion"}
    for field, word in words.items():
        if wanted.get(field) and wanted[field] != metadata[field]:
            told = f"the {word} in the precondition ({wanted[field]}) does not match the {word} in record "
            moved = "The object might have been deleted and then recreated" if field == "uid" else "The object might have been modified"  # fmt: skip # noqa: E501
            raise errors.conflict(_PODS, metadata["name"], f"{told}({metadata[field]}). {moved}")


def _goes_anyway(pod: Object) -> bool:
    status = pod.get("status") or {}
    return status.get("phase") in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


async def _spend_budget(parts: Parts, pod: Object, dry_run: bool) -> None:
    """Take one disruption from the pod's budget. Raises ApiError (429) where none is left."""
    namespace, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels") or {}
    resource = ("policy", "poddisruptionbudgets")
    budgets = [
        budget
        for budget in await parts.store.list(resource, namespace)
        if from_label_selector((budget.get("spec") or {}).get("selector")).matches(labels)
    ]
    if not budgets:
        return
    if len(budgets) > 1:
        raise errors.internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    budget_name = budgets[0]["metadata"]["name"]
    if not _ready(pod):
        spec, status = budgets[0].get("spec") or {}, budgets[0].get("status") or {}
        enough = status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0
        if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow" or enough:
            return

    def spend(budget: Object) -> Object | None:
        status = budget.setdefault("status", {})
        if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
            raise _refused(budget_name, "The disruption budget %s is still being processed by the server.", 10)
        if status.get("disruptionsAllowed", 0) < 0:
            raise errors.forbidden(RESOURCES[resource], budget_name, "pdb disruptions allowed is negative")
        if len(status.get("disruptedPods") or {}) > 2000:
            raise errors.forbidden(RESOURCES[resource], budget_name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")  # fmt: skip # noqa: E501
        if status.get("disruptionsAllowed", 0) == 0:
            needs = f"The disruption budget {budget_name} needs {status.get('desiredHealthy', 0)} healthy pods and has "
            raise _refused(budget_name, needs + f"{status.get('currentHealthy', 0)} currently", 0)
        if dry_run:
            return None
        status["disruptionsAllowed"] -= 1
        status.setdefault("disruptedPods", {})[pod["metadata"]["name"]] = now()
        return budget

    await parts.store.guaranteed_update(resource, namespace, budget_name, spend)


def _refused(budget: str, message: str, seconds: int) -> ApiError:
    status: Object = {
        "status": "Failure",
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "reason": "TooManyRequests",
        "code": 429,
        "details": {"causes": [{"reason": "DisruptionBudget", "message": message.replace("%s", budget)}]},
    }
    if seconds:
        status["details"]["retryAfterSeconds"] = seconds
    return ApiError(status)
