"""Requests in RBAC's words, as upstream's RequestInfoFactory reads them."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.apiserver.request import parse_request_info

CASES: list[tuple[str, str, dict[str, str], dict[str, Any]]] = [
    ("GET", "/api/v1/namespaces", {}, {"verb": "list", "resource": "namespaces"}),
    ("GET", "/api/v1/namespaces/a", {}, {"verb": "get", "namespace": "a", "resource": "namespaces", "name": "a"}),
    ("PUT", "/api/v1/namespaces/a/finalize", {},
     {"verb": "update", "namespace": "a", "resource": "namespaces", "name": "a", "subresource": "finalize"}),
    ("GET", "/api/v1/namespaces/a/pods", {}, {"verb": "list", "namespace": "a", "resource": "pods"}),
    ("GET", "/api/v1/pods", {"watch": "true"}, {"verb": "watch", "resource": "pods"}),
    ("GET", "/api/v1/watch/namespaces/a/pods/b", {},
     {"verb": "watch", "namespace": "a", "resource": "pods", "name": "b"}),
    ("GET", "/api/v1/nodes", {"fieldSelector": "metadata.name=n"}, {"verb": "list", "resource": "nodes", "name": "n"}),
    ("POST", "/apis/apps/v1/namespaces/a/deployments", {},
     {"verb": "create", "api_group": "apps", "namespace": "a", "resource": "deployments"}),
    ("DELETE", "/apis/apps/v1/namespaces/a/deployments", {},
     {"verb": "deletecollection", "api_group": "apps", "namespace": "a", "resource": "deployments"}),
    ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", {},
     {"verb": "patch", "namespace": "a", "resource": "deployments", "name": "d", "subresource": "scale"}),
    ("GET", "/api/v1/nodes/n/proxy/stats/summary", {},
     {"verb": "get", "resource": "nodes", "name": "n", "subresource": "proxy", "remainder": "stats/summary"}),
    ("POST", "/api/v1/namespaces/a/pods/p/exec", {}, {"verb": "create", "name": "p", "subresource": "exec"}),
    ("GET", "/version", {}, {"verb": "get", "is_resource": False}),
    ("GET", "/apis/apps/v1", {}, {"verb": "get", "is_resource": False}),
    ("GET", "/healthz/etcd", {}, {"verb": "get", "is_resource": False}),
    ("GET", "/api/v1/namespaces/a/pods/b", {"watch": "true"}, {"verb": "get", "name": "b"}),  # one object is got
    ("GET", "/api/v1/pods", {"watch": ""}, {"verb": "watch"}),
    ("GET", "/api/v1/pods", {"watch": "False"}, {"verb": "list"}),
    ("GET", "/api/v1/pods", {"watch": "0"}, {"verb": "list"}),
    ("GET", "/api/v1/namespaces/a/secrets", {"fieldSelector": "metadata.namespace=a"}, {"verb": "list", "name": ""}),
    ("GET", "/api/v1/namespaces/a/secrets", {"fieldSelector": "metadata.name!=a"}, {"verb": "list", "name": ""}),
    ("GET", "/api/v1/namespaces/a/secrets", {"fieldSelector": "type=x,metadata.name==a", "watch": "1"},
     {"verb": "watch", "name": "a"}),
    ("GET", "/api/v1/namespaces/a/secrets", {"fieldSelector": "metadata.name=a,,=b"}, {"verb": "list", "name": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "query", "wanted"), CASES)
def test_request(method: str, path: str, query: dict[str, str], wanted: dict[str, Any]) -> None:
    info = parse_request_info(method, path, query)
    assert {name: getattr(info, name) for name in wanted} == wanted
