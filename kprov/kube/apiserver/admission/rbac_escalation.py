"""Nobody gives away more than they have: roles and bindings are held against the rules of who writes them.

Upstream does this in the storage of these kinds; it is not a plugin that could be turned off.
"""

from __future__ import annotations

import json

from kprov.kube.apiserver.admission.attributes import CREATE, AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Object, Plugin, forbid
from kprov.kube.apiserver.authorization.cover import describe, uncovered
from kprov.kube.apiserver.authorization.static import PRIVILEGED_GROUP
from kprov.kube.apiserver.request import RequestInfo
from kprov.kube.apiserver.strategy.equality import semantically_equal

_GROUP = "rbac.authorization.k8s.io"
_ROLES = frozenset(("clusterroles", "roles"))
_EVERYTHING = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]


class RBACEscalation(Plugin):
    """See the module."""

    name = "RBACEscalation"
    resources = frozenset((_GROUP, plural) for plural in (*_ROLES, "clusterrolebindings", "rolebindings"))

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse what grants more."""
        rbac = self.around.rbac
        if rbac is None or PRIVILEGED_GROUP in attrs.user.groups or attrs.obj is None:
            return
        if attrs.operation != CREATE and _only_housekeeping(attrs.obj, attrs.old_obj or {}):
            return
        if attrs.resource_info.plural in _ROLES:
            if await self._may(attrs, "escalate", attrs.resource_info.plural, attrs.obj["metadata"].get("name") or ""):
                return
            self._check_rules(attrs, attrs.obj.get("rules") or [])
            if _aggregates(attrs.obj) or _aggregates(attrs.old_obj or {}):
                held = [rule.source for rule, _ in rbac.rules_of_user(attrs.user, attrs.namespace)]
                if uncovered(held, _EVERYTHING):
                    raise forbid(attrs, "must have cluster-admin privileges to use the aggregationRule")
            return
        reference = attrs.obj.get("roleRef") or {}
        plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
        if await self._may(attrs, "bind", plural, reference.get("name") or ""):
            return
        rules = rbac.rules_of_role(reference, attrs.namespace)
        if rules is not None:
            self._check_rules(attrs, [rule.source for rule in rules])
            return
        # The role may be so new that the cache does not have it yet.
        namespace = "" if plural == "clusterroles" else attrs.namespace
        role = await self.store.get((_GROUP, plural), namespace, reference.get("name") or "")
        self._check_rules(attrs, role.get("rules") or [])

    async def _may(self, attrs: AdmissionAttributes, verb: str, plural: str, name: str) -> bool:
        info = RequestInfo(
            verb=verb,
            path="",
            is_resource=True,
            api_group=_GROUP,
            api_version="*",
            namespace=attrs.namespace,
            resource=plural,
            name=name,
        )
        return (await self.around.authorizer.authorize(attrs.user, info)).allowed

    def _check_rules(self, attrs: AdmissionAttributes, rules: list[Object]) -> None:
        rbac = self.around.rbac
        if rbac is None:
            return
        held = [rule.source for rule, _ in rbac.rules_of_user(attrs.user, attrs.namespace)]
        missing = uncovered(held, rules)
        if missing:
            groups = " ".join(json.dumps(group) for group in attrs.user.groups)
            lines = "\n".join(sorted({describe(rule) for rule in missing}))
            raise forbid(
                attrs,
                f'user "{attrs.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently '
                f"held:\n{lines}",
            )


def _aggregates(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _only_housekeeping(new: Object, old: Object) -> bool:
    """Whether only what garbage collection needs has changed."""

    def bare(obj: Object) -> Object:
        skipped = ("ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation")
        metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in skipped}
        return {**obj, "metadata": metadata}

    return semantically_equal(bare(new), bare(old))
