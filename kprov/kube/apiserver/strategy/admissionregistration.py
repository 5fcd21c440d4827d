"""The kinds of the admissionregistration.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.admission.webhooks.conditions import VARIABLES
from kprov.kube.apiserver.strategy.admission_policies import BindingStrategy, PolicyStrategy
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    dns_subdomain_error,
    duplicate,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.expressions import condition_errors, expression_errors
from kprov.kube.apiserver.strategy.fields import selector_errors
from kprov.kube.apiserver.strategy.webhook_clients import client_errors
from kprov.kube.apiserver.strategy.webhook_rules import review_version_errors, rule_errors
from kprov.kube.apiserver.strategy.workloads import set_missing

Object = dict[str, Any]

_WORDS = {
    "failurePolicy": ["Fail", "Ignore"],
    "matchPolicy": ["Equivalent", "Exact"],
    "sideEffects": ["None", "NoneOnDryRun"],
    "reinvocationPolicy": ["IfNeeded", "Never"],
}


class WebhookConfigurationStrategy(Strategy):
    """Configurations of admission webhooks.

    Args:
        mutating: whether they may change objects.
    """

    def __init__(self, mutating: bool) -> None:
        self._mutating = mutating

    def default(self, obj: Object) -> None:
        """As upstream."""
        for hook in obj.get("webhooks") or ():
            set_missing(
                hook,
                failurePolicy="Fail",
                matchPolicy="Equivalent",
                namespaceSelector={},
                objectSelector={},
                timeoutSeconds=10,
            )
            if self._mutating:
                set_missing(hook, reinvocationPolicy="Never")
            for rule in hook.get("rules") or ():
                set_missing(rule, scope="*")
            service = (hook.get("clientConfig") or {}).get("service")
            if service:
                set_missing(service, port=443)

    def validate(self, obj: Object) -> list[FieldError]:
        """Names, words and where to call."""
        found: list[FieldError] = []
        for index, hook in enumerate(obj.get("webhooks") or ()):
            here = f"webhooks[{index}]"
            found += _name_errors(hook.get("name") or "", f"{here}.name")
            if any(hook.get("name") == other.get("name") for other in obj["webhooks"][:index]):
                found.append(duplicate(f"{here}.name", hook.get("name")))
            found += review_version_errors(hook.get("admissionReviewVersions"), f"{here}.admissionReviewVersions")
            found += rule_errors(hook.get("rules"), f"{here}.rules")
            for field, known in _WORDS.items():
                value = hook.get(field)
                if value is None and (field == "reinvocationPolicy" or field == "sideEffects"):
                    if field == "sideEffects":
                        found.append(required(f"{here}.sideEffects", "must specify one of None, NoneOnDryRun"))
                elif value not in known:
                    found.append(not_supported(f"{here}.{field}", value, known))
            for field in ("namespaceSelector", "objectSelector"):
                found += selector_errors(hook.get(field), f"{here}.{field}")
            conditions = hook.get("matchConditions") or ()
            found += condition_errors(conditions, f"{here}.matchConditions", _judged)
            seconds = hook.get("timeoutSeconds")
            if seconds is not None and not 1 <= seconds <= 30:
                problem = "the timeout value must be between 1 and 30 seconds"
                found.append(invalid(f"{here}.timeoutSeconds", seconds, problem))
            found += client_errors(hook.get("clientConfig"), f"{here}.clientConfig")
        return found


def _name_errors(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    if error := dns_subdomain_error(name):
        return [invalid(path, name, error)]
    if name.count(".") < 2:
        return [invalid(path, name, "should be a domain with at least three segments separated by dots")]
    return []


def _judged(text: str, path: str) -> list[FieldError]:
    """What is wrong with a condition's expression."""
    return expression_errors(text, VARIABLES, ("bool",), path)


STRATEGIES: dict[str, Strategy] = {
    "mutatingwebhookconfigurations": WebhookConfigurationStrategy(mutating=True),
    "validatingadmissionpolicies": PolicyStrategy(),
    "validatingadmissionpolicybindings": BindingStrategy(),
    "validatingwebhookconfigurations": WebhookConfigurationStrategy(mutating=False),
}
