"""Columns of what makes pods."""

from __future__ import annotations

from kprov.kube.apiserver.columns.table import (
    Cells,
    Columns,
    Object,
    age,
    columns,
    containers_and_images,
    human_duration,
    labels_text,
    name,
    or_none,
    seconds_of,
    selector_text,
    since,
)


def _template(obj: Object) -> Object:
    return ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}


def _replicas(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    selector = spec.get("selector")
    plain = obj.get("kind") == "ReplicationController" or not isinstance(selector, dict)
    is_map = plain or not ({"matchLabels", "matchExpressions"} & set(selector or {}))
    return [
        name(obj),
        spec.get("replicas") or 0,
        status.get("replicas") or 0,
        status.get("readyReplicas") or 0,
        age(obj, now),
        *containers_and_images(_template(obj)),
        labels_text(selector) if is_map else selector_text(selector),
    ]


def _deployment(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name(obj),
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        status.get("updatedReplicas") or 0,
        status.get("availableReplicas") or 0,
        age(obj, now),
        *containers_and_images(_template(obj)),
        selector_text(spec.get("selector")),
    ]


def _daemon_set(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    counts = (
        "desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable",
    )  # fmt: skip
    return [
        name(obj),
        *(status.get(field) or 0 for field in counts),
        labels_text(_template(obj).get("nodeSelector")),
        age(obj, now),
        *containers_and_images(_template(obj)),
        selector_text(spec.get("selector")),
    ]


def _stateful_set(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ready = f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}"
    return [name(obj), ready, age(obj, now), *containers_and_images(_template(obj))]


def _job_state(obj: Object) -> str:
    conditions = {
        each.get("type") for each in (obj.get("status") or {}).get("conditions") or () if each.get("status") == "True"
    }
    if "Complete" in conditions:
        return "Complete"
    if "Failed" in conditions:
        return "Failed"
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for state in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if state in conditions:
            return state
    return "Running"


def _job(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    done, wanted, parallel = status.get("succeeded") or 0, spec.get("completions"), spec.get("parallelism") or 0
    if wanted is not None:
        progress = f"{done}/{wanted}"
    else:
        progress = f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"
    started, ended = seconds_of(status.get("startTime")), seconds_of(status.get("completionTime"))
    duration = "" if started is None else human_duration((now if ended is None else ended) - started)
    return [
        name(obj),
        _job_state(obj),
        progress,
        duration,
        age(obj, now),
        *containers_and_images(_template(obj)),
        selector_text(spec.get("selector")),
    ]


def _cron_job(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    job = ((spec.get("jobTemplate") or {}).get("spec")) or {}
    last = status.get("lastScheduleTime")
    return [
        name(obj),
        spec.get("schedule") or "",
        or_none(spec.get("timeZone")),
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or ()),
        since(last, now) if last else "<none>",
        age(obj, now),
        *containers_and_images((job.get("template") or {}).get("spec") or {}),
        selector_text(job.get("selector")),
    ]


def _revision(obj: Object, now: float) -> Cells:
    owner = next((each for each in obj["metadata"].get("ownerReferences") or () if each.get("controller")), None)
    controller = "<none>"
    if owner:
        group = str(owner.get("apiVersion") or "").rpartition("/")[0]
        kind = str(owner.get("kind") or "").lower() + (f".{group}" if group else "")
        controller = f"{kind}/{owner.get('name')}"
    return [name(obj), controller, obj.get("revision") or 0, age(obj, now)]


def _budget(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}

    def bound(field: str) -> str:
        return "N/A" if spec.get(field) is None else str(spec[field])

    return [
        name(obj),
        bound("minAvailable"),
        bound("maxUnavailable"),
        status.get("disruptionsAllowed") or 0,
        age(obj, now),
    ]


def _autoscaler(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    least = spec.get("minReplicas")
    return [
        name(obj),
        f"{target.get('kind')}/{target.get('name')}",
        _targets(spec, status),
        "<unset>" if least is None else str(least),
        spec.get("maxReplicas") or 0,
        status.get("currentReplicas") or 0,
        age(obj, now),
    ]


def _targets(spec: Object, status: Object) -> str:
    if spec.get("targetCPUUtilizationPercentage") is not None:
        current = status.get("currentCPUUtilizationPercentage")
        shown = "<unknown>" if current is None else f"{current}%"
        return f"cpu: {shown}/{spec['targetCPUUtilizationPercentage']}%"
    parts = []
    present = status.get("currentMetrics") or []
    for index, metric in enumerate(spec.get("metrics") or ()):
        kind = str(metric.get("type") or "")
        field = kind[:1].lower() + kind[1:]
        source = metric.get(field) or {}
        now_source = (present[index].get(field) or {}) if index < len(present) else {}
        wanted, current = source.get("target") or {}, now_source.get("current") or {}
        if wanted.get("averageUtilization") is not None:
            value = current.get("averageUtilization")
            text = f"{'<unknown>' if value is None else f'{value}%'}/{wanted['averageUtilization']}%"
        elif wanted.get("averageValue") is not None:
            text = f"{current.get('averageValue') or '<unknown>'}/{wanted['averageValue']}"
            text += " (avg)" if kind in ("External", "Object") else ""
        else:
            text = f"{current.get('value') or '<unknown>'}/{wanted.get('value')}"
        parts.append(f"{source['name']}: {text}" if source.get("name") else text)
    if not parts:
        return "<none>"
    return ", ".join(parts[:2]) + (f" + {len(parts) - 2} more..." if len(parts) > 2 else "")


_SET = "Name | Desired:integer | Current:integer | Ready:integer | Age | Containers+ | Images+ | Selector+"
COLUMNS: dict[tuple[str, str], Columns] = {
    ("", "replicationcontrollers"): columns(_SET, _replicas),
    ("apps", "replicasets"): columns(_SET, _replicas),
    ("apps", "deployments"): columns(
        "Name | Ready | Up-to-date:integer | Available:integer | Age | Containers+ | Images+ | Selector+", _deployment
    ),
    ("apps", "daemonsets"): columns(
        "Name | Desired:integer | Current:integer | Ready:integer | Up-to-date:integer | Available:integer | "
        "Node Selector | Age | Containers+ | Images+ | Selector+",
        _daemon_set,
    ),
    ("apps", "statefulsets"): columns("Name | Ready | Age | Containers+ | Images+", _stateful_set),
    ("apps", "controllerrevisions"): columns("Name | Controller | Revision:integer | Age", _revision),
    ("batch", "jobs"): columns(
        "Name | Status | Completions | Duration | Age | Containers+ | Images+ | Selector+", _job
    ),
    ("batch", "cronjobs"): columns(
        "Name | Schedule | Timezone | Suspend:boolean | Active:integer | Last Schedule | Age | Containers+ | Images+ | "
        "Selector+",
        _cron_job,
    ),
    ("policy", "poddisruptionbudgets"): columns(
        "Name | Min Available | Max Unavailable | Allowed Disruptions:integer | Age", _budget
    ),
    ("autoscaling", "horizontalpodautoscalers"): columns(
        "Name | Reference | Targets | MinPods | MaxPods | Replicas | Age", _autoscaler
    ),
}
