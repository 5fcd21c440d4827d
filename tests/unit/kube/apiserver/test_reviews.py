"""Questions that are answered and not stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
from multidict import CIMultiDict, MultiDict

from kprov.kube.apiserver.handlers.reviews import review
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.request import UserInfo, parse_request_info
from kprov.kube.apiserver.resources import RESOURCES


async def test_who_am_i_is_asked_without_a_spec_and_answered_without_a_warning() -> None:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    request = Request(
        method="POST",
        path=path,
        raw_path=path,
        query=MultiDict[str](),
        headers=CIMultiDict[str]({"Content-Type": "application/json"}),
        body=orjson.dumps(body),
        peer_cert=None,
        remote="",
        user=UserInfo("jane", groups=("readers",)),
        info=parse_request_info("POST", path, MultiDict[str]()),
    )
    parts: Any = SimpleNamespace()
    answer = await review(parts, request, RESOURCES["authentication.k8s.io", "selfsubjectreviews"])
    assert orjson.loads(answer.whole())["status"] == {"userInfo": {"username": "jane", "groups": ["readers"]}}
    assert request.warnings == []
