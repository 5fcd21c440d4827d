"""The webhooks of all configurations, ready to be matched against writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kprov.kube.api.selectors import Selector, from_label_selector
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.matching import is_exempt, selected, version_matched
from kprov.kube.apiserver.authentication.objects import GroupResource, ObjectSource

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook: what it wants to hear of, and how it is asked."""

    configuration: str
    name: str
    rules: tuple[Object, ...]
    client: Object
    namespaces: Selector
    objects: Selector
    ignores_failure: bool
    exact: bool
    has_side_effects: bool
    seconds: float
    review_versions: tuple[str, ...]
    reinvoked: bool
    conditions: tuple[Object, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others."""
        return self.configuration, self.name

    def version_for(self, attrs: AdmissionAttributes) -> str | None:
        """The version in which it wants to see the object of a write; None where it does not want to."""
        return None if is_exempt(attrs) else version_matched(self.rules, attrs, exact=self.exact)

    def selects(self, attrs: AdmissionAttributes, namespace: Mapping[str, str] | None) -> bool:
        """Whether its selectors take a write. ``namespace`` are the namespace's labels; None where there is none."""
        return selected(self.namespaces, self.objects, attrs, namespace)


def _webhooks(configuration: Object) -> Iterator[Webhook]:
    for hook in configuration.get("webhooks") or ():
        yield Webhook(
            configuration=configuration["metadata"]["name"],
            name=hook["name"],
            rules=tuple(hook.get("rules") or ()),
            client=hook.get("clientConfig") or {},
            namespaces=from_label_selector(hook.get("namespaceSelector") or {}),
            objects=from_label_selector(hook.get("objectSelector") or {}),
            ignores_failure=hook.get("failurePolicy") == "Ignore",
            exact=hook.get("matchPolicy") == "Exact",
            has_side_effects=hook.get("sideEffects") not in ("None", "NoneOnDryRun"),
            seconds=float(hook.get("timeoutSeconds") or 10),
            review_versions=tuple(hook.get("admissionReviewVersions") or ("v1",)),
            reinvoked=hook.get("reinvocationPolicy") == "IfNeeded",
            conditions=tuple(hook.get("matchConditions") or ()),
        )


class Configured:
    """All webhooks of one kind of configuration, by their configurations' names, kept up with the watch cache."""

    def __init__(self, store: ObjectSource, resource: GroupResource) -> None:
        self._objects: dict[str, Object] = {}
        self._webhooks: tuple[Webhook, ...] | None = ()
        store.subscribe(resource, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._objects[new["metadata"]["name"]] = new
        elif old is not None:
            self._objects.pop(old["metadata"]["name"], None)
        self._webhooks = None

    def webhooks(self) -> tuple[Webhook, ...]:
        """Every webhook, in the order in which they are asked."""
        if self._webhooks is None:
            self._webhooks = tuple(hook for _, each in sorted(self._objects.items()) for hook in _webhooks(each))
        return self._webhooks
