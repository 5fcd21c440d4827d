"""The webhooks of all configurations, ready to be matched against writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kprov.kube.api.selectors import Selector, from_label_selector
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.authentication.objects import GroupResource, ObjectSource
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
# What could lock everybody out for good is never asked about.
_EXEMPT = frozenset(
    {
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
    }
)


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


def is_exempt(attrs: AdmissionAttributes) -> bool:
    """Whether a write is of what nobody is asked about."""
    return attrs.resource_info.group == GROUP and attrs.resource_info.plural in _EXEMPT


def version_matched(rules: tuple[Object, ...], attrs: AdmissionAttributes, *, exact: bool) -> str | None:
    """The version in which rules take the object of a write, of all its kind has unless ``exact``; None for none."""
    info = attrs.resource_info
    others = () if exact else tuple(version for version in info.versions if version != attrs.version)
    for version in (attrs.version, *others):
        if any(_matches(rule, attrs, info, version) for rule in rules):
            return version
    return None


def selected(
    namespaces: Selector, objects: Selector, attrs: AdmissionAttributes, namespace: Mapping[str, str] | None
) -> bool:
    """Whether selectors of namespaces and of objects take a write.

    Args:
        namespaces: selects by the namespace's labels.
        objects: selects by the object's, new or old.
        attrs: the write.
        namespace: the labels of its namespace; None where there is none.
    """
    if namespace is not None and not namespaces.matches(namespace):
        return False
    # options of a connect, which have no metadata, are nothing that could be selected
    metadata = [obj["metadata"] for obj in (attrs.obj, attrs.old_obj) if obj is not None and "metadata" in obj]
    return not objects.requirements or any(objects.matches(each.get("labels") or {}) for each in metadata)


def _matches(rule: Object, attrs: AdmissionAttributes, info: ResourceInfo, version: str) -> bool:
    if not _has(rule.get("operations"), attrs.operation) or not _has(rule.get("apiGroups"), info.group):
        return False
    if not _has(rule.get("apiVersions"), version):
        return False
    if (names := rule.get("resourceNames")) and attrs.name not in names:  # of policies' rules
        return False
    scope = rule.get("scope") or "*"
    namespaced = bool(attrs.namespace) and info.key != ("", "namespaces")
    if scope != "*" and (scope == "Namespaced") != namespaced:
        return False
    for each in rule.get("resources") or ():
        resource, _, subresource = str(each).partition("/")
        if resource in ("*", info.plural) and subresource in ("*", attrs.subresource):
            return True
    return False


def _has(values: Any, wanted: str) -> bool:
    return "*" in (values or ()) or wanted in (values or ())


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
