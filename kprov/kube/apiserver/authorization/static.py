"""Authorizers that do not look: AlwaysAllow, AlwaysDeny, and the privileged group."""

from __future__ import annotations

from kprov.kube.apiserver.authorization.decision import NO_OPINION, Decision, RulesReview
from kprov.kube.apiserver.request import RequestInfo, UserInfo

PRIVILEGED_GROUP = "system:masters"
_EVERYTHING = RulesReview(
    [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
)
_ALLOWED = Decision(True)


class AlwaysAllow:
    """Everything is allowed."""

    async def authorize(self, user: UserInfo, info: RequestInfo) -> Decision:
        """Allow."""
        return _ALLOWED

    def rules_for(self, user: UserInfo, namespace: str) -> RulesReview:
        """Everything."""
        return _EVERYTHING


class AlwaysDeny:
    """Nothing is allowed that no authorizer before it has allowed."""

    async def authorize(self, user: UserInfo, info: RequestInfo) -> Decision:
        """Refuse."""
        return Decision(False, "Everything is forbidden.")

    def rules_for(self, user: UserInfo, namespace: str) -> RulesReview:
        """Nothing."""
        return RulesReview([], [])


class PrivilegedGroups:
    """Members of system:masters may do anything, even where roles and bindings are broken."""

    async def authorize(self, user: UserInfo, info: RequestInfo) -> Decision:
        """Allow members; no opinion on others."""
        return _ALLOWED if PRIVILEGED_GROUP in user.groups else NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> RulesReview:
        """Everything, for members."""
        return _EVERYTHING if PRIVILEGED_GROUP in user.groups else RulesReview([], [])
