"""The 403 that an unauthorized request gets."""

from __future__ import annotations

import json
from dataclasses import dataclass

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.request import RequestInfo, UserInfo


@dataclass(frozen=True, slots=True)
class _Resource:
    group: str
    plural: str


def describe(user: UserInfo, info: RequestInfo) -> str:
    """What the user cannot do, in upstream's words."""
    who = f"User {json.dumps(user.name)} cannot {info.verb}"
    if not info.is_resource:
        return f"{who} path {json.dumps(info.path)}"
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return f'{who} resource "{resource}" in API group "{info.api_group}" {where}'


def forbidden(user: UserInfo, info: RequestInfo, reason: str = "") -> ApiError:
    """The error to answer with.

    Args:
        user: who asked.
        info: for what.
        reason: what the authorizers said.
    """
    message = describe(user, info) + (f": {reason}" if reason else "")
    if not info.is_resource:
        return errors.forbidden(None, "", message)
    return errors.forbidden(_Resource(info.api_group, info.resource), info.name, message)
