"""RBAC: bindings give the rules of roles to users, groups and service accounts.

Bindings are indexed by subject as they change, and the rules of each (user, groups, namespace) are put together once
and kept until any role or binding changes: a decision is then a few dictionary look-ups.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from kprov.kube.apiserver.authentication.objects import Object, ObjectSource
from kprov.kube.apiserver.authentication.service_accounts import username
from kprov.kube.apiserver.authorization.decision import NO_OPINION, Decision, RulesReview
from kprov.kube.apiserver.authorization.rules import CompiledRule, RuleSet, compile_rules
from kprov.kube.apiserver.request import RequestInfo, UserInfo

_GROUP = "rbac.authorization.k8s.io"
PRIVILEGED_GROUP = "system:masters"
_KEPT = 1024

# A subject is ("User"|"Group", name); a service account is the user that it authenticates as.
_Subject = tuple[str, str]
_Binding = tuple[str, str]  # namespace ("" for cluster-wide), name


def _subjects(binding: Object) -> Iterator[_Subject]:
    namespace = binding["metadata"].get("namespace") or ""
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name") or ""
        if kind == "ServiceAccount":
            yield ("User", username(subject.get("namespace") or namespace, name))
        elif kind in ("User", "Group"):
            yield (kind, name)


class RBACAuthorizer:
    """Decides by the cluster's roles and bindings.

    Args:
        store: the watch cache that they come from.
    """

    def __init__(self, store: ObjectSource) -> None:
        self._bindings: dict[_Binding, Object] = {}
        self._by_subject: dict[_Subject, dict[str, set[str]]] = {}  # subject -> namespace -> names of bindings
        self._roles: dict[tuple[str, str], list[CompiledRule]] = {}  # (namespace, name); "" for ClusterRoles
        self._rule_sets: OrderedDict[tuple[str, tuple[str, ...], str], RuleSet] = OrderedDict()
        for plural in ("clusterroles", "roles"):
            store.subscribe((_GROUP, plural), self._role_changed)
        for plural in ("clusterrolebindings", "rolebindings"):
            store.subscribe((_GROUP, plural), self._binding_changed)

    # The index

    def _role_changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        key = (metadata.get("namespace") or "", metadata["name"])
        if new is None:
            self._roles.pop(key, None)
        else:
            self._roles[key] = compile_rules(new.get("rules"))
        self._rule_sets.clear()

    def _binding_changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        namespace, name = key = (metadata.get("namespace") or "", metadata["name"])
        before = self._bindings.pop(key, None)
        for subject in _subjects(before) if before else ():
            names = self._by_subject.get(subject, {}).get(namespace)
            if names is not None:
                names.discard(name)
        if new is not None:
            self._bindings[key] = new
            for subject in _subjects(new):
                self._by_subject.setdefault(subject, {}).setdefault(namespace, set()).add(name)
        self._rule_sets.clear()

    # Rules

    def rules_of_role(self, reference: dict[str, Any], namespace: str) -> list[CompiledRule] | None:
        """The rules of the role that a roleRef names, seen from a namespace; None where there is no such role."""
        role_namespace = namespace if reference.get("kind") == "Role" else ""
        return self._roles.get((role_namespace, reference.get("name") or ""))

    def rules_of_user(self, user: UserInfo, namespace: str) -> Iterator[tuple[CompiledRule, str]]:
        """Every rule that a user holds cluster-wide and in a namespace, with the words that say why."""
        subjects: list[_Subject] = [("User", user.name), *(("Group", group) for group in user.groups)]
        for place in ("", namespace) if namespace else ("",):
            for subject in subjects:
                for name in sorted(self._by_subject.get(subject, {}).get(place, ())):
                    reference = self._bindings[(place, name)]["roleRef"]
                    origin = _origin(place, name, reference, subject)
                    for rule in self.rules_of_role(reference, place) or ():
                        yield rule, origin

    def _rule_set(self, user: UserInfo, namespace: str) -> RuleSet:
        key = (user.name, user.groups, namespace)
        found = self._rule_sets.get(key)
        if found is None:
            found = self._rule_sets[key] = RuleSet(self.rules_of_user(user, namespace))
            if len(self._rule_sets) > _KEPT:
                self._rule_sets.popitem(last=False)
        return found

    async def authorize(self, user: UserInfo, info: RequestInfo) -> Decision:
        """Allow what a rule of the user covers; no opinion on the rest."""
        origin = self._rule_set(user, info.namespace if info.is_resource else "").find(info)
        return NO_OPINION if origin is None else Decision(True, f"RBAC: allowed by {origin}")

    def rules_for(self, user: UserInfo, namespace: str) -> RulesReview:
        """All of a user's rules in a namespace."""
        resources, urls = [], []
        for rule, _ in self.rules_of_user(user, namespace):
            source = rule.source
            if rule.resources:
                row = {"verbs": source.get("verbs") or [], "apiGroups": source.get("apiGroups") or []}
                row["resources"] = list(rule.resources)
                if rule.names:
                    row["resourceNames"] = source["resourceNames"]
                resources.append(row)
            if rule.urls:
                urls.append({"verbs": source.get("verbs") or [], "nonResourceURLs": list(rule.urls)})
        return RulesReview(resources, urls)


def _origin(namespace: str, name: str, reference: dict[str, Any], subject: _Subject) -> str:
    binding = f'RoleBinding "{name}/{namespace}"' if namespace else f'ClusterRoleBinding "{name}"'
    return f'{binding} of {reference.get("kind")} "{reference.get("name")}" to {subject[0]} "{subject[1]}"'
