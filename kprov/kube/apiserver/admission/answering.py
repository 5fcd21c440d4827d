"""Answers what expressions in CEL ask of the authorizer while they are evaluated."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from kprov.kube.apiserver.authorization.decision import Authorizer, Decision
from kprov.kube.apiserver.cel.authorizer import Facts, asking
from kprov.kube.apiserver.request import RequestInfo, UserInfo


@contextmanager
def answered_for(authorizer: Authorizer, user: UserInfo) -> Iterator[None]:
    """Answer for a user, unless an expression names a service account.

    Args:
        authorizer: who knows.
        user: who sent the request.
    """

    def answer(facts: Facts) -> Facts:
        account = facts.get("account")
        asked = _account(*account) if account else user
        try:
            decision = _at_once(authorizer.authorize(asked, _request(facts)))
        except RuntimeError as error:
            return {"allowed": False, "error": str(error)}
        return {"allowed": decision.allowed, "reason": decision.reason}

    token = asking.set(answer)
    try:
        yield
    finally:
        asking.reset(token)


def _account(namespace: str, name: str) -> UserInfo:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return UserInfo(f"system:serviceaccount:{namespace}:{name}", "", groups)


def _request(facts: Facts) -> RequestInfo:
    if "path" in facts:
        return RequestInfo(verb=facts["verb"], path=facts["path"])
    return replace(
        RequestInfo.of_attributes(facts, "*"),
        label_selector=facts.get("labelSelector", ""),
        field_selector=facts.get("fieldSelector", ""),
    )


def _at_once(asked: Coroutine[Any, Any, Decision]) -> Decision:
    """The answer of an authorizer that knows it without waiting for anybody, as all of ours do."""
    try:
        asked.send(None)
    except StopIteration as done:
        decision: Decision = done.value
        return decision
    asked.close()
    raise RuntimeError("the authorizer does not know at once")
