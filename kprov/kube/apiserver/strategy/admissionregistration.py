"""The kinds of the admissionregistration.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, not_supported, required
from kprov.kube.apiserver.strategy.fields import selector_errors
from kprov.kube.apiserver.strategy.webhook_clients import client_errors
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
            if not hook.get("name"):
                found.append(required(f"{here}.name"))
            if not hook.get("admissionReviewVersions"):
                found.append(required(f"{here}.admissionReviewVersions", "must specify one of v1, v1beta1"))
            for field, known in _WORDS.items():
                value = hook.get(field)
                if value is None and (field == "reinvocationPolicy" or field == "sideEffects"):
                    if field == "sideEffects":
                        found.append(required(f"{here}.sideEffects", "must specify one of None, NoneOnDryRun"))
                elif value not in known:
                    found.append(not_supported(f"{here}.{field}", value, known))
            for field in ("namespaceSelector", "objectSelector"):
                found += selector_errors(hook.get(field), f"{here}.{field}")
            found += client_errors(hook.get("clientConfig"), f"{here}.clientConfig")
        return found


STRATEGIES: dict[str, Strategy] = {
    "mutatingwebhookconfigurations": WebhookConfigurationStrategy(mutating=True),
    "validatingwebhookconfigurations": WebhookConfigurationStrategy(mutating=False),
}
