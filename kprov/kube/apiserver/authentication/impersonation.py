"""Impersonation: a user acts as another one, where they may.

Every header is a question to the authorizer: may this user ``impersonate`` that user, group, uid or extra fact?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import unquote

from kprov.kube.api import errors
from kprov.kube.apiserver.authentication import service_accounts
from kprov.kube.apiserver.authentication.headers import Headers
from kprov.kube.apiserver.request import (
    ANONYMOUS,
    AUTHENTICATED_GROUP,
    UNAUTHENTICATED_GROUP,
    RequestInfo,
    UserInfo,
)

_USER, _GROUP, _UID, _EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-"
_AUTHENTICATION_GROUP = "authentication.k8s.io"


class _Decision(Protocol):
    @property
    def allowed(self) -> bool: ...

    @property
    def reason(self) -> str: ...


class _Authorizer(Protocol):
    async def authorize(self, user: UserInfo, info: RequestInfo) -> _Decision: ...


def is_requested(headers: Headers) -> bool:
    """Whether a request asks to act as somebody else: the cheap question, asked of every request."""
    for header in headers:  # noqa: SIM110 - half of what any() with a generator costs
        if header[:1] in "iI" and header[:12].lower() == "impersonate-":
            return True
    return False


async def impersonate(user: UserInfo, headers: Headers, authorizer: _Authorizer) -> UserInfo:
    """The user that a request shall be treated as.

    Args:
        user: who sent it.
        headers: its headers; without any of impersonation's, the user stays who they are.
        authorizer: who decides.

    Raises:
        ApiError: 403 where the user may not, 500 where the headers make no sense, as upstream.
    """
    if not is_requested(headers):
        return user
    name, uid = headers.get(_USER) or "", headers.get(_UID) or ""
    wanted_groups = list(headers.getall(_GROUP, ()))
    extra = _extra(headers)
    if not (name or wanted_groups or uid or extra):  # a header without a value asks for nothing
        return user
    if not name:
        raise errors.internal(
            f"requested {wanted_groups or uid or sorted(extra)} without impersonating a user: send {_USER} too"
        )
    account = service_accounts.split_username(name)
    if account:
        await _check(user, authorizer, "serviceaccounts", account[1], namespace=account[0])
    else:
        await _check(user, authorizer, "users", name)
    for group in wanted_groups:
        await _check(user, authorizer, "groups", group)
    if uid:
        await _check(user, authorizer, "uids", uid, group=_AUTHENTICATION_GROUP)
    for key, values in extra.items():
        for value in values:
            await _check(user, authorizer, "userextras", value, group=_AUTHENTICATION_GROUP, subresource=key)
    groups: Sequence[str] = wanted_groups
    if account and not wanted_groups:
        groups = service_accounts.groups(account[0])
    return UserInfo(name, uid, _with_standing(name, groups), extra)


def _extra(headers: Headers) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for header in dict.fromkeys(headers):
        if header.lower().startswith(_EXTRA.lower()):
            found.setdefault(unquote(header[len(_EXTRA) :].lower()), []).extend(headers.getall(header))
    return found


def _with_standing(name: str, groups: Sequence[str]) -> tuple[str, ...]:
    """The groups, and the one that says whether the user counts as authenticated."""
    if name == ANONYMOUS:
        return tuple(dict.fromkeys((*groups, UNAUTHENTICATED_GROUP)))
    if AUTHENTICATED_GROUP in groups or UNAUTHENTICATED_GROUP in groups:
        return tuple(groups)
    return (*groups, AUTHENTICATED_GROUP)


async def _check(
    user: UserInfo,
    authorizer: _Authorizer,
    resource: str,
    name: str,
    *,
    namespace: str = "",
    group: str = "",
    subresource: str = "",
) -> None:
    info = RequestInfo(
        verb="impersonate",
        path="",
        is_resource=True,
        api_group=group,
        api_version="v1",
        namespace=namespace,
        resource=resource,
        subresource=subresource,
        name=name,
    )
    decision = await authorizer.authorize(user, info)
    if decision.allowed:
        return
    from kprov.kube.apiserver.authorization.refusal import forbidden

    raise forbidden(user, info, decision.reason)
