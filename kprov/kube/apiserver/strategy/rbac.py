"""The kinds of the rbac.authorization.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    invalid,
    not_supported,
    path_segment_error,
    required,
)
from kprov.kube.apiserver.strategy.equality import semantically_equal
from kprov.kube.apiserver.strategy.fields import selector_errors

Object = dict[str, Any]

_GROUP = "rbac.authorization.k8s.io"


class RoleStrategy(Strategy):
    """Roles and cluster roles.

    Args:
        namespaced: whether rules may cover paths that are not resources.
    """

    def __init__(self, namespaced: bool) -> None:
        self._namespaced = namespaced

    def name_error(self, name: str) -> str | None:
        """Anything that fits into a path."""
        return path_segment_error(name)

    def default(self, obj: Object) -> None:
        """Rules are always there, be it none."""
        if obj.get("rules") is None:
            obj["rules"] = []

    def validate(self, obj: Object) -> list[FieldError]:
        """Every rule says what may be done to what."""
        found: list[FieldError] = []
        for index, rule in enumerate(obj.get("rules") or ()):
            found += _rule_errors(rule, self._namespaced, f"rules[{index}]")
        aggregation = obj.get("aggregationRule")
        if aggregation is not None:
            selectors = aggregation.get("clusterRoleSelectors") or []
            path = "aggregationRule.clusterRoleSelectors"
            if not selectors:
                found.append(required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
            for index, selector in enumerate(selectors):
                found += selector_errors(selector, f"{path}[{index}]")
        return found


def _rule_errors(rule: Object, namespaced: bool, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if not rule.get("verbs"):
        found.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            message = "namespaced rules cannot apply to non-resource URLs"
            found.append(invalid(f"{path}.nonResourceURLs", urls, message))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            message = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(invalid(f"{path}.nonResourceURLs", urls, message))
        return found
    if not rule.get("apiGroups"):
        found.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        found.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return found


class BindingStrategy(Strategy):
    """Role bindings and cluster role bindings.

    Args:
        role_kinds: the kinds that it may refer to.
    """

    def __init__(self, role_kinds: list[str]) -> None:
        self._role_kinds = role_kinds

    def name_error(self, name: str) -> str | None:
        """Anything that fits into a path."""
        return path_segment_error(name)

    def default(self, obj: Object) -> None:
        """Users, groups and roles are of this group."""
        reference = obj.get("roleRef")
        if isinstance(reference, dict) and not reference.get("apiGroup"):
            reference["apiGroup"] = _GROUP
        for subject in obj.get("subjects") or ():
            if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
                subject["apiGroup"] = _GROUP

    def validate(self, obj: Object) -> list[FieldError]:
        """A role that could exist, and subjects that could."""
        reference = obj.get("roleRef") or {}
        found: list[FieldError] = []
        if reference.get("apiGroup") != _GROUP:
            found.append(not_supported("roleRef.apiGroup", reference.get("apiGroup") or "", [_GROUP]))
        if reference.get("kind") not in self._role_kinds:
            found.append(not_supported("roleRef.kind", reference.get("kind") or "", self._role_kinds))
        if not reference.get("name"):
            found.append(required("roleRef.name"))
        elif error := path_segment_error(reference["name"]):
            found.append(invalid("roleRef.name", reference["name"], error))
        for index, subject in enumerate(obj.get("subjects") or ()):
            found += _subject_errors(subject, f"subjects[{index}]", "Role" in self._role_kinds)
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """A binding keeps its role: its subjects were given that one."""
        found = self.validate(obj)
        if not semantically_equal(obj.get("roleRef"), old.get("roleRef")):
            found.append(invalid("roleRef", obj.get("roleRef"), "cannot change roleRef"))
        return found


def _subject_errors(subject: Object, path: str, namespaced: bool) -> list[FieldError]:
    found: list[FieldError] = []
    if not subject.get("name"):
        found.append(required(f"{path}.name"))
    group = subject.get("apiGroup") or ""
    match subject.get("kind"):
        case "ServiceAccount":
            from kprov.kube.apiserver.strategy.base import dns_subdomain_error

            if subject.get("name") and (error := dns_subdomain_error(subject["name"])):
                found.append(invalid(f"{path}.name", subject["name"], error))
            if group:
                found.append(not_supported(f"{path}.apiGroup", group, [""]))
            if not namespaced and not subject.get("namespace"):
                found.append(required(f"{path}.namespace"))
        case "User" | "Group":
            if group != _GROUP:
                found.append(not_supported(f"{path}.apiGroup", group, [_GROUP]))
        case other:
            found.append(not_supported(f"{path}.kind", other or "", ["ServiceAccount", "User", "Group"]))
    return found


STRATEGIES: dict[str, Strategy] = {
    "clusterrolebindings": BindingStrategy(["ClusterRole"]),
    "clusterroles": RoleStrategy(namespaced=False),
    "rolebindings": BindingStrategy(["Role", "ClusterRole"]),
    "roles": RoleStrategy(namespaced=True),
}
