"""Columns of nodes, namespaces, events, and of who may do what."""

from __future__ import annotations

from kprov.kube.apiserver.columns.table import (
    Cells,
    Columns,
    Object,
    age,
    columns,
    human_duration,
    name,
    or_none,
    since,
)

_ROLE = "node-role.kubernetes.io/"


def _node(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    ready = [each for each in status.get("conditions") or () if each.get("type") == "Ready"]
    words = [("" if each.get("status") == "True" else "Not") + "Ready" for each in ready] or ["Unknown"]
    if spec.get("unschedulable"):
        words.append("SchedulingDisabled")
    return [
        name(obj),
        ",".join(words),
        _roles(obj),
        age(obj, now),
        info.get("kubeletVersion") or "",
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _roles(obj: Object) -> str:
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(_ROLE) and len(key) > len(_ROLE):
            found.add(key.removeprefix(_ROLE))
        elif key == "kubernetes.io/role" and value:
            found.add(value)
    return or_none(",".join(sorted(found)))


def _address(status: Object, kind: str) -> str:
    addresses = status.get("addresses") or ()
    return or_none(next((each.get("address") for each in addresses if each.get("type") == kind), None))


def _namespace(obj: Object, now: float) -> Cells:
    return [name(obj), (obj.get("status") or {}).get("phase") or "", age(obj, now)]


def _event(obj: Object, now: float) -> Cells:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    series = obj.get("series")
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or first
    count = obj.get("count") or obj.get("deprecatedCount") or 0
    if series:
        last, count = series.get("lastObservedTime") or last, series.get("count") or count
    elif not count:
        count = 1
    component = source.get("component") or obj.get("reportingComponent") or obj.get("reportingController") or ""
    host = source.get("host") or ""
    target = str(about.get("kind") or "").lower() + (f"/{about['name']}" if about.get("name") else "")
    return [
        since(last, now),
        obj.get("type") or "",
        obj.get("reason") or "",
        target,
        about.get("fieldPath") or "",
        f"{component}, {host}" if host else component,
        str(obj.get("message") or obj.get("note") or "").strip(),
        since(first, now),
        count,
        name(obj),
    ]


def _created(obj: Object, now: float) -> Cells:
    return [name(obj), obj["metadata"].get("creationTimestamp") or "<unknown>"]


def _binding(obj: Object, now: float) -> Cells:
    reference, subjects = obj.get("roleRef") or {}, obj.get("subjects") or []

    def names(kind: str) -> str:
        return ", ".join(
            f"{each.get('namespace') or ''}/{each.get('name')}" if kind == "ServiceAccount" else str(each.get("name"))
            for each in subjects
            if each.get("kind") == kind
        )

    role = f"{reference.get('kind')}/{reference.get('name')}"
    return [name(obj), role, age(obj, now), names("User"), names("Group"), names("ServiceAccount")]


def _request(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    types = [each.get("type") for each in status.get("conditions") or ()]
    words = ["Denied"] if "Denied" in types else ["Approved"] if "Approved" in types else ["Pending"]
    if "Failed" in types:
        words.append("Failed")
    if status.get("certificate"):
        words.append("Issued")
    seconds = spec.get("expirationSeconds")
    return [
        name(obj),
        age(obj, now),
        spec.get("signerName") or "<none>",
        spec.get("username") or "",
        "<none>" if seconds is None else human_duration(seconds),
        ",".join(words),
    ]


def _lease(obj: Object, now: float) -> Cells:
    return [name(obj), (obj.get("spec") or {}).get("holderIdentity") or "", age(obj, now)]


def _quota(obj: Object, now: float) -> Cells:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    rows = {each: f"{each}: {used.get(each, '0')}/{hard[each]}" for each in sorted(hard)}
    requests = ", ".join(text for each, text in rows.items() if not each.startswith("limits."))
    limits = ", ".join(text for each, text in rows.items() if each.startswith("limits."))
    return [name(obj), age(obj, now), requests, limits]


def _component(obj: Object, now: float) -> Cells:
    found = [each for each in obj.get("conditions") or () if each.get("type") == "Healthy"]
    condition: Object = found[0] if found else {}
    word = {"True": "Healthy", "False": "Unhealthy"}.get(str(condition.get("status")), "Unknown")
    return [name(obj), word, condition.get("message") or "", condition.get("error") or ""]


def _priority(obj: Object, now: float) -> Cells:
    policy = obj.get("preemptionPolicy") or "PreemptLowerPriority"
    return [name(obj), obj.get("value") or 0, bool(obj.get("globalDefault")), age(obj, now), policy]


def _runtime_class(obj: Object, now: float) -> Cells:
    return [name(obj), obj.get("handler") or "", age(obj, now)]


def _policy(obj: Object, now: float) -> Cells:
    spec = obj.get("spec") or {}
    params = spec.get("paramKind") or {}
    shown = f"{params.get('apiVersion')}/{params.get('kind')}" if params else "<unset>"
    return [name(obj), len(spec.get("validations") or ()), shown, age(obj, now)]


def _policy_binding(obj: Object, now: float) -> Cells:
    spec = obj.get("spec") or {}
    params = spec.get("paramRef") or {}
    if not params:
        shown = "<unset>"
    elif params.get("name"):
        shown = f"{params['namespace']}/{params['name']}" if params.get("namespace") else params["name"]
    else:
        shown = "<selector>"
    return [name(obj), spec.get("policyName") or "", shown, age(obj, now)]


def _webhooks(obj: Object, now: float) -> Cells:
    return [name(obj), len(obj.get("webhooks") or ()), age(obj, now)]


_RBAC = "rbac.authorization.k8s.io"


def _api_service(obj: Object, now: float) -> Cells:
    service = (obj.get("spec") or {}).get("service")
    found = (obj.get("status") or {}).get("conditions") or ()
    available = next((each for each in found if each.get("type") == "Available"), {"status": "Unknown"})
    told = available["status"]
    if told != "True" and available.get("reason"):
        told = f"{told} ({available['reason']})"
    return [name(obj), f"{service['namespace']}/{service['name']}" if service else "Local", told, age(obj, now)]


_EVENT = "Last Seen | Type | Reason | Object | Subobject+ | Source+ | Message | First Seen+ | Count:integer+ | Name+"
_BINDING = "Name | Role | Age | Users+ | Groups+ | ServiceAccounts+"
_WEBHOOKS = "Name | Webhooks:integer | Age"
COLUMNS: dict[tuple[str, str], Columns] = {
    ("", "nodes"): columns(
        "Name | Status | Roles | Age | Version | Internal-IP+ | External-IP+ | OS-Image+ | Kernel-Version+ | "
        "Container-Runtime+",
        _node,
    ),
    ("", "namespaces"): columns("Name | Status | Age", _namespace),
    ("", "events"): columns(_EVENT, _event),
    ("events.k8s.io", "events"): columns(_EVENT, _event),
    ("", "limitranges"): columns("Name | Created At", _created),
    ("", "resourcequotas"): columns("Name | Age | Request | Limit", _quota),
    ("", "componentstatuses"): columns("Name | Status | Message | Error", _component),
    (_RBAC, "roles"): columns("Name | Created At", _created),
    (_RBAC, "clusterroles"): columns("Name | Created At", _created),
    (_RBAC, "rolebindings"): columns(_BINDING, _binding),
    (_RBAC, "clusterrolebindings"): columns(_BINDING, _binding),
    ("certificates.k8s.io", "certificatesigningrequests"): columns(
        "Name | Age | SignerName | Requestor | RequestedDuration | Condition", _request
    ),
    ("coordination.k8s.io", "leases"): columns("Name | Holder | Age", _lease),
    ("scheduling.k8s.io", "priorityclasses"): columns(
        "Name | Value:integer | Global-Default:boolean | Age | PreemptionPolicy", _priority
    ),
    ("node.k8s.io", "runtimeclasses"): columns("Name | Handler | Age", _runtime_class),
    ("apiregistration.k8s.io", "apiservices"): columns("Name | Service | Available | Age", _api_service),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): columns(_WEBHOOKS, _webhooks),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): columns(
        "Name | Validations:integer | ParamKind | Age", _policy
    ),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): columns(
        "Name | PolicyName | ParamRef | Age", _policy_binding
    ),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): columns(_WEBHOOKS, _webhooks),
}
