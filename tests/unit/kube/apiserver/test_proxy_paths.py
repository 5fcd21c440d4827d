"""Where a proxied request goes: what follows .../proxy, whatever names come before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.kubelet.forward import _options, _rest, _scheme_name_port
from kprov.kube.apiserver.request import UserInfo, parse_request_info
from kprov.kube.apiserver.resources import RESOURCES


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/api/v1/namespaces/default/pods/web/proxy", ""),
        ("/api/v1/namespaces/default/pods/web/proxy/", "/"),
        ("/api/v1/namespaces/default/pods/web:80/proxy/a/b?c=d", "/a/b?c=d"),
        ("/api/v1/namespaces/proxy-9908/pods/http:proxy-service-x:162/proxy/", "/"),
        ("/api/v1/namespaces/proxy/services/https:proxy:tls/proxy/proxy/x", "/proxy/x"),
        ("/api/v1/namespaces/default/pods/web/proxy/a%2Fb//c", "/a%2Fb//c"),
        ("/api/v1/nodes/proxy-1/proxy/pods", "/pods"),
        ("/api/v1/nodes/n:10250/proxy", ""),
        ("/api/v1/namespaces/default/pods/web/proxy?x=1", "?x=1"),
    ],
)
def test_what_is_asked_for_behind_the_proxy(path: str, rest: str) -> None:
    request: Any = SimpleNamespace(raw_path=path)
    assert _rest(request) == rest


@pytest.mark.parametrize(
    ("text", "parts"),
    [("web", ("", "web", "")), ("web:80", ("", "web", "80")), ("https:web:tls", ("https", "web", "tls"))],
)
def test_names_with_scheme_and_port(text: str, parts: tuple[str, str, str]) -> None:
    assert _scheme_name_port(text) == parts


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("pods/a/exec?command=sh&command=-c&stdin=true&tty=1&container=c",
         {"kind": "PodExecOptions", "stdin": True, "tty": True, "container": "c", "command": ["sh", "-c"]}),
        ("pods/a/attach?stdin=true&stdout=false", {"kind": "PodAttachOptions", "stdin": True}),
        ("pods/a/portforward?ports=80,81", {"kind": "PodPortForwardOptions", "ports": [80, 81]}),
        ("pods/a/proxy/b%20c?d=e", {"kind": "PodProxyOptions", "path": "/b c"}),
        ("services/a/proxy/x", {"kind": "ServiceProxyOptions", "path": "/x"}),
    ],
)  # fmt: skip
def test_what_admission_is_told_of_a_connection(path: str, options: dict[str, Any]) -> None:
    url = URL(f"/api/v1/namespaces/n/{path}", encoded=True)
    info = parse_request_info("GET", url.path, url.query)
    request: Any = Request("GET", url.path, str(url), url.query, {}, b"", None, "", UserInfo("a"), info)
    assert _options(request, RESOURCES["", info.resource]) == {"apiVersion": "v1", **options}
