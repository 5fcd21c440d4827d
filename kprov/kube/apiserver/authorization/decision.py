"""What an authorizer answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from kprov.kube.apiserver.request import RequestInfo, UserInfo


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed, or not (yet): the next authorizer may still allow what this one has no opinion on."""

    allowed: bool
    reason: str = ""
    denied: bool = False  # final: nobody else is asked


NO_OPINION = Decision(False)


@dataclass(frozen=True, slots=True)
class RulesReview:
    """What a user may do in a namespace, as a SelfSubjectRulesReview lists it."""

    resource_rules: list[dict[str, Any]]
    non_resource_rules: list[dict[str, Any]]
    incomplete: bool = False
    error: str = ""


class Authorizer(Protocol):
    """Decides whether a request may go on."""

    async def authorize(self, user: UserInfo, info: RequestInfo) -> Decision:
        """Decide."""

    def rules_for(self, user: UserInfo, namespace: str) -> RulesReview:
        """What the user may do in a namespace."""
