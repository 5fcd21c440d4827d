"""Where a proxied request goes: what follows .../proxy, whatever names come before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.kubelet.forward import _options, _rest
from kprov.kube.apiserver.kubelet.log_options import check
from kprov.kube.apiserver.kubelet.proxyable import check_address, endpoint_address, port_of, scheme_name_port
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
    assert scheme_name_port(text, "pod") == parts


@pytest.mark.parametrize("text", ["ftp:web:80", "a:b:c:d", ":80", "http::80", ""])
def test_names_that_lead_nowhere(text: str) -> None:
    with pytest.raises(ApiError, match="invalid pod request"):
        scheme_name_port(text, "pod")


@pytest.mark.parametrize("port", ["0", "65536", "99999999", "x", "\u00b2", "\u0663", "-1", "8 0"])
def test_ports_that_are_none(port: str) -> None:
    with pytest.raises(ApiError, match="no port"):
        port_of(port, "no port")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "fe80::1",
     "::ffff:127.0.0.1", "x", ""],
)  # fmt: skip
def test_addresses_that_no_pod_has(address: str) -> None:
    with pytest.raises(ApiError, match="address not allowed"):
        check_address(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "8.8.8.8", "fd00::1", "2001:db8::1"])
def test_addresses_that_pods_have(address: str) -> None:
    check_address(address)


async def test_endpoints_lead_to_pods_alone() -> None:
    async def get(_: object, namespace: str, name: str) -> dict[str, Any]:
        if (namespace, name) != ("n", "web"):
            raise errors.not_found(RESOURCES["", "pods"], name)
        return {"status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}}

    parts: Any = SimpleNamespace(store=SimpleNamespace(get=get))
    web = {"namespace": "n", "name": "web"}
    assert await endpoint_address(parts, "n", [{"ip": "fd00::1", "targetRef": web}]) == "fd00::1"
    for strange in ({"ip": "10.0.0.1"}, {"ip": "10.0.0.9", "targetRef": web},
                    {"ip": "10.0.0.1", "targetRef": {**web, "namespace": "m"}},
                    {"ip": "10.0.0.1", "targetRef": {**web, "name": "gone"}}):  # fmt: skip
        assert await endpoint_address(parts, "n", [strange]) is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"tailLines": "-1"}, 422), ({"tailLines": "x"}, 400), ({"sinceSeconds": "0"}, 422), ({"limitBytes": "0"}, 422),
        ({"sinceTime": "x"}, 400), ({"sinceSeconds": "1", "sinceTime": "2024-01-01T00:00:00Z"}, 422),
        ({"limitBytes": "9" * 30}, 400), ({"tailLines": "\u0663"}, 400),
    ],
)  # fmt: skip
def test_logs_that_cannot_be_asked_for(query: dict[str, str], code: int) -> None:
    with pytest.raises(ApiError) as raised:
        check(query, "web")
    assert raised.value.code == code
    check({"tailLines": "0", "limitBytes": "1", "sinceTime": "2024-01-01T00:00:00.5+01:00"}, "web")


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
