"""What every workload has in common: a selector, a template whose labels it matches, a number of replicas."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.selectors import SelectorError, from_label_selector
from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid, not_supported, required
from kprov.kube.apiserver.strategy.fields import is_empty_selector, selector_errors
from kprov.kube.apiserver.strategy.pod_validation import validate_pod_template

Object = dict[str, Any]

NO_MATCH = "`selector` does not match template `labels`"


def selector_and_template_errors(spec: Object, kind: str, *, template_kind: str = "") -> list[FieldError]:
    """What is wrong with a workload's selector and template.

    Args:
        spec: the workload's spec.
        kind: the workload's kind in lower case, for the message.
        template_kind: the kind that the template's message names.
    """
    found: list[FieldError] = []
    selector = spec.get("selector")
    if selector is None:
        found.append(required("spec.selector"))
    else:
        found += selector_errors(selector, "spec.selector")
        if is_empty_selector(selector):
            found.append(invalid("spec.selector", selector, f"empty selector is invalid for {kind}"))
    template = spec.get("template") or {}
    found += match_errors(selector, template)
    found += validate_pod_template(template, "spec.template")
    return found + always_running_errors(template.get("spec") or {}, template_kind)


def match_errors(
    selector: Object | None, template: Object, path: str = "spec.template.metadata.labels"
) -> list[FieldError]:
    """That a selector finds the pods of its own template."""
    labels = (template.get("metadata") or {}).get("labels")
    try:
        parsed = from_label_selector(selector)
    except (SelectorError, KeyError):
        return []
    if parsed.everything or parsed.matches(labels):
        return []
    return [invalid(path, labels, NO_MATCH)]


def always_running_errors(spec: Object, kind: str) -> list[FieldError]:
    """That pods which shall always run say so."""
    found: list[FieldError] = []
    policy = spec.get("restartPolicy")
    if policy != "Always":
        found.append(not_supported("spec.template.spec.restartPolicy", policy, ["Always"]))
    if spec.get("activeDeadlineSeconds") is not None:
        message = f"activeDeadlineSeconds in {kind} is not Supported"
        found.append(forbidden("spec.template.spec.activeDeadlineSeconds", message))
    return found
