"""The kinds of the batch group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.cron import schedule_error
from kprov.kube.apiserver.strategy.equality import semantically_equal
from kprov.kube.apiserver.strategy.fields import IMMUTABLE, label_errors, not_negative, selector_errors
from kprov.kube.apiserver.strategy.pod_defaults import default_pod_template
from kprov.kube.apiserver.strategy.pod_validation import validate_pod_template
from kprov.kube.apiserver.strategy.templates import match_errors
from kprov.kube.apiserver.strategy.workloads import set_missing

Object = dict[str, Any]

_UID, _NAME = "controller-uid", "job-name"
_PREFIX = "batch.kubernetes.io/"
_COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")


def default_job_spec(spec: Object) -> None:
    """Fill in a job's spec, also where a cron job holds it."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    set_missing(
        spec,
        parallelism=1,
        completionMode="NonIndexed",
        suspend=False,
        manualSelector=spec.get("manualSelector") or False,
        podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    )
    if spec.get("backoffLimitPerIndex") is not None:
        set_missing(spec, backoffLimit=2147483647)
    set_missing(spec, backoffLimit=6)
    default_pod_template(spec.get("template"))


class JobStrategy(Strategy):
    """Jobs."""

    def default(self, obj: Object) -> None:
        """One completion; the template's labels where the job has none."""
        spec = obj.setdefault("spec", {})
        default_job_spec(spec)
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
        metadata = obj.setdefault("metadata", {})
        if labels and not metadata.get("labels"):
            metadata["labels"] = dict(labels)

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """A selector that finds this job's pods and no others."""
        obj["status"] = {}
        spec = obj["spec"]
        if spec.get("manualSelector"):
            return
        metadata = obj["metadata"]
        template = spec.setdefault("template", {})
        template_metadata = template["metadata"] = template.get("metadata") or {}
        labels = template_metadata["labels"] = dict(template_metadata.get("labels") or {})
        for prefix in ("", _PREFIX):
            labels.setdefault(prefix + _NAME, metadata.get("name") or "")
            labels.setdefault(prefix + _UID, metadata.get("uid") or "")
        selector = spec["selector"] = dict(spec.get("selector") or {})
        selector["matchLabels"] = dict(selector.get("matchLabels") or {})
        if _UID not in selector["matchLabels"]:
            selector["matchLabels"].setdefault(_PREFIX + _UID, metadata.get("uid") or "")

    def validate(self, obj: Object) -> list[FieldError]:
        """Selector, template and counts."""
        spec, metadata = obj.get("spec") or {}, obj["metadata"]
        found: list[FieldError] = []
        template = spec.get("template") or {}
        if not spec.get("manualSelector"):
            labels = (template.get("metadata") or {}).get("labels") or {}
            for key, value in ((_UID, metadata.get("uid")), (_NAME, metadata.get("name"))):
                if labels.get(key) != value:
                    path = "spec.template.metadata.labels"
                    found.append(invalid(path, labels, f"must be '{value}'") if key in labels else required(path))
            generated = {prefix + _UID: metadata.get("uid") for prefix in ("", _PREFIX)}
            generated |= {prefix + _NAME: metadata.get("name") for prefix in ("", _PREFIX)}
            if match_errors(spec.get("selector"), {"metadata": {"labels": generated}}):
                found.append(invalid("spec.selector", spec.get("selector"), "`selector` not auto-generated"))
        found += _job_errors(spec, "spec")
        if spec.get("selector") is None:
            found.append(required("spec.selector"))
        else:
            found += selector_errors(spec["selector"], "spec.selector")
        return found + match_errors(spec.get("selector"), template)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """What is to be done does not change."""
        spec, before = obj.get("spec") or {}, old.get("spec") or {}
        found = self.validate(obj)
        elastic = (
            spec.get("completionMode") == "Indexed"
            and spec.get("completions") == spec.get("parallelism")
            and before.get("completions") is not None
        )
        if spec.get("completions") != before.get("completions") and not elastic:
            found.append(invalid("spec.completions", spec.get("completions"), IMMUTABLE))
        started = (old.get("status") or {}).get("startTime")
        template, present = spec.get("template") or {}, before.get("template") or {}
        if before.get("suspend") and not started:
            template, present = _without_scheduling(template), _without_scheduling(present)
        for field, new, was in (
            ("selector", spec.get("selector"), before.get("selector")),
            ("template", template, present),
            ("completionMode", spec.get("completionMode"), before.get("completionMode")),
        ):
            if not semantically_equal(new, was):
                found.append(invalid(f"spec.{field}", spec.get(field), IMMUTABLE))
        return found

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Counts that are ones."""
        status = obj.get("status") or {}
        return [
            error
            for field in ("active", "succeeded", "failed")
            for error in not_negative(status.get(field), f"status.{field}")
        ]


def _without_scheduling(template: Object) -> Object:
    """A template without what may still change in a job that has not begun."""
    spec = {
        key: value
        for key, value in (template.get("spec") or {}).items()
        if key not in ("affinity", "nodeSelector", "tolerations", "schedulingGates")
    }
    return {"spec": spec}


def _job_errors(spec: Object, path: str) -> list[FieldError]:
    found = [error for field in _COUNTS for error in not_negative(spec.get(field), f"{path}.{field}")]
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        found.append(required(f"{path}.completions", "when completion mode is Indexed"))
    elif spec.get("completionMode") not in (None, "Indexed", "NonIndexed"):
        found.append(not_supported(f"{path}.completionMode", spec["completionMode"], ["Indexed", "NonIndexed"]))
    template = spec.get("template") or {}
    found += validate_pod_template(template, f"{path}.template")
    policy, where = (template.get("spec") or {}).get("restartPolicy"), f"{path}.template.spec.restartPolicy"
    if policy in ("Always", "", None):
        found.append(required(where, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        found.append(not_supported(where, policy, ["OnFailure", "Never"]))
    if spec.get("podFailurePolicy") and policy != "Never":
        found.append(invalid(where, policy, 'only "Never" is supported when podFailurePolicy is specified'))
    return found


_CONCURRENCY = ["Allow", "Forbid", "Replace"]


class CronJobStrategy(Strategy):
    """Cron jobs."""

    def default(self, obj: Object) -> None:
        """Runs may overlap; three good ones and one bad one are kept."""
        spec = obj.setdefault("spec", {})
        if not spec.get("concurrencyPolicy"):
            spec["concurrencyPolicy"] = "Allow"
        set_missing(spec, suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
        template = (spec.get("jobTemplate") or {}).get("spec")
        if template:
            # A job's own defaults are filled in when it is made; a template only needs its pods'.
            default_pod_template(template.get("template"))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing has run yet."""
        obj["status"] = {}

    def validate(self, obj: Object) -> list[FieldError]:
        """Schedule and template; names leave room for the time that is added to them."""
        found = _cron_job_errors(obj.get("spec") or {})
        name = obj["metadata"].get("name") or ""
        if len(name) > 52:
            found.append(invalid("metadata.name", name, "must be no more than 52 characters"))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """As at creation, but for the name."""
        return _cron_job_errors(obj.get("spec") or {})


def _cron_job_errors(spec: Object) -> list[FieldError]:
    found: list[FieldError] = []
    schedule = spec.get("schedule") or ""
    if not schedule:
        found.append(required("spec.schedule"))
    elif error := schedule_error(schedule):
        found.append(invalid("spec.schedule", schedule, error))
    if "TZ" in schedule:
        message = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        found.append(invalid("spec.schedule", schedule, message))
    for field in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        found += not_negative(spec.get(field), f"spec.{field}")
    policy = spec.get("concurrencyPolicy")
    if policy not in _CONCURRENCY:
        found.append(not_supported("spec.concurrencyPolicy", policy, _CONCURRENCY))
    template = spec.get("jobTemplate") or {}
    found += label_errors((template.get("metadata") or {}).get("labels"), "spec.jobTemplate.labels")
    job = template.get("spec") or {}
    found += _job_errors(job, "spec.jobTemplate.spec")
    if job.get("selector") is not None:
        found.append(invalid("spec.jobTemplate.spec.selector", job["selector"], "`selector` will be auto-generated"))
    if job.get("manualSelector"):
        found.append(not_supported("spec.jobTemplate.spec.manualSelector", True, ["nil", "false"]))
    return found


STRATEGIES: dict[str, Strategy] = {"cronjobs": CronJobStrategy(), "jobs": JobStrategy()}
