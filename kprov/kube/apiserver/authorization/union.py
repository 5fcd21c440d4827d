"""Several authorizers, asked in the order of --authorization-mode until one allows."""

from __future__ import annotations

from collections.abc import Sequence

from kprov.kube.apiserver.authentication.objects import (
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTACHMENTS,
    GroupResource,
    ObjectSource,
)
from kprov.kube.apiserver.authorization.decision import Authorizer, Decision, RulesReview
from kprov.kube.apiserver.authorization.node import NodeAuthorizer
from kprov.kube.apiserver.authorization.rbac import RBACAuthorizer
from kprov.kube.apiserver.authorization.static import AlwaysAllow, AlwaysDeny, PrivilegedGroups
from kprov.kube.apiserver.request import RequestInfo, UserInfo

MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC")
"""What --authorization-mode may name. ABAC and Webhook are upstream's and not kprov's."""


CACHES: tuple[GroupResource, ...] = (
    *(
        ("rbac.authorization.k8s.io", plural)
        for plural in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
    ),
    PODS,
    PERSISTENT_VOLUMES,
    VOLUME_ATTACHMENTS,
)
"""The kinds that must be in the watch cache for requests to be authorized."""


class UnionAuthorizer:
    """Allows what any of its members allows.

    Args:
        authorizers: the members, in order.
        rbac: the RBAC authorizer among them, for those who need its rules.
    """

    def __init__(self, authorizers: Sequence[Authorizer], rbac: RBACAuthorizer | None = None) -> None:
        self._authorizers = list(authorizers)
        self.rbac = rbac

    async def authorize(self, user: UserInfo, info: RequestInfo) -> Decision:
        """The first decision that is one; the reasons of those that had no opinion otherwise."""
        reasons = []
        for authorizer in self._authorizers:
            decision = await authorizer.authorize(user, info)
            if decision.allowed or decision.denied:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, "\n".join(reasons))

    def rules_for(self, user: UserInfo, namespace: str) -> RulesReview:
        """What all members together allow."""
        reviews = [authorizer.rules_for(user, namespace) for authorizer in self._authorizers]
        return RulesReview(
            [rule for review in reviews for rule in review.resource_rules],
            [rule for review in reviews for rule in review.non_resource_rules],
            any(review.incomplete for review in reviews),
            "; ".join(review.error for review in reviews if review.error),
        )


def build_authorizer(modes: Sequence[str], store: ObjectSource) -> UnionAuthorizer:
    """The authorizer for --authorization-mode.

    Args:
        modes: the modes, in order; upstream's default is AlwaysAllow.
        store: the watch cache.

    Raises:
        ValueError: a mode is not known.
    """
    members: list[Authorizer] = [PrivilegedGroups()]
    rbac: RBACAuthorizer | None = None
    for mode in modes:
        match mode:
            case "AlwaysAllow":
                members.append(AlwaysAllow())
            case "AlwaysDeny":
                members.append(AlwaysDeny())
            case "Node":
                members.append(NodeAuthorizer(store))
            case "RBAC":
                rbac = RBACAuthorizer(store)
                members.append(rbac)
            case _:
                raise ValueError(f"--authorization-mode: {mode!r} is not one of {', '.join(MODES)}")
    return UnionAuthorizer(members, rbac)
