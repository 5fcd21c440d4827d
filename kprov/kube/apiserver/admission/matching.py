"""Which writes webhooks and policies are about: their rules and their selectors, which are alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kprov.kube.api.selectors import Selector
from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
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
