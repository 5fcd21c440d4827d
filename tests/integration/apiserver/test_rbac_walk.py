"""Who has no rights is refused everything that discovery lists, in upstream's words; also nodes and accounts."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from kprov.lab.control_plane.plane import ControlPlane

METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH",
           "delete": "DELETE", "deletecollection": "DELETE"}  # fmt: skip
NAMED = ("get", "update", "patch", "delete")
# What everybody who has a name may do: ask about themselves.
OWN_QUESTIONS = {"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"}


class Walker:
    """Requests on one connection, as somebody."""

    def __init__(self, plane: ControlPlane) -> None:
        url = urlsplit(plane.server)
        context = ssl.create_default_context(cafile=str(plane.pki / "ca.crt"))
        self._connection = http.client.HTTPSConnection(url.hostname or "", url.port, context=context, timeout=20)
        self._token = yaml.safe_load(plane.kubeconfig().read_text())["users"][0]["user"]["token"]

    def __call__(self, path: str, method: str = "GET", user: str = "", groups: tuple[str, ...] = ()) -> tuple[int, Any]:
        headers = [("Authorization", f"Bearer {self._token}"), ("Content-Type", "application/json")]
        if user:
            headers += [("Impersonate-User", user), *(("Impersonate-Group", each) for each in groups)]
        self._connection.putrequest(method, path)
        for name, value in headers:
            self._connection.putheader(name, value)
        body = b"{}" if method in ("POST", "PUT", "PATCH") else b""
        self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders(body)
        answer = self._connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else text.decode()

    def resources(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Group, base path and entry of every resource and subresource."""
        bases = [("", "/api/v1")]
        for group in self("/apis")[1]["groups"]:
            bases += [(group["name"], f"/apis/{version['groupVersion']}") for version in group["versions"]]
        for group, base in bases:
            for entry in self(base)[1]["resources"]:
                yield group, base, entry


@pytest.fixture(scope="module")
def walk(plane: ControlPlane) -> Walker:
    return Walker(plane)


def requests(group: str, base: str, entry: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Verb, path, resource, and how a refusal names the object and the place."""
    plural, _, subresource = entry["name"].partition("/")
    qualified = f"{plural}.{group}" if group else plural
    scopes = (
        [("/namespaces/there", ' in the namespace "there"')] if entry["namespaced"] else [("", " at the cluster scope")]
    )
    if entry["namespaced"] and not subresource:
        scopes.append(("", " at the cluster scope"))
    for verb in entry["verbs"]:
        for prefix, place in scopes:
            named = verb in NAMED or bool(subresource)
            if entry["namespaced"] and not prefix and verb not in ("list", "watch"):
                continue
            path = f"{base}{prefix}/{plural}" + ("/x" if named else "") + (f"/{subresource}" if subresource else "")
            if plural == "namespaces":  # the namespace that is asked for is the one that it is asked in
                place = ' in the namespace "x"' if named else place
            yield verb, path + ("?watch=1" if verb == "watch" else ""), entry["name"], (
                f'{qualified} "x"' if named else qualified), place  # fmt: skip


def test_nobody_may_do_anything(walk: Walker) -> None:
    wrong, count = [], 0
    for group, base, entry in walk.resources():
        for verb, path, resource, what, place in requests(group, base, entry):
            if resource in OWN_QUESTIONS:
                continue
            count += 1
            status, told = walk(path, METHODS[verb], "nobody")
            said = (
                f'{what} is forbidden: User "nobody" cannot {verb} resource "{resource}" in API group "{group}"{place}'
            )
            if status != 403 or told["message"] != said or told["reason"] != "Forbidden":
                wrong.append((verb, path, status, told if isinstance(told, str) else told.get("message"), said))
    assert not wrong, f"{len(wrong)} of {count}: {wrong[:5]}"
    assert count > 500


def test_other_paths(walk: Walker) -> None:
    for path in ("/metrics", "/logs", "/nowhere", "/debug/pprof"):
        status, told = walk(path, user="nobody")
        assert (status, told["message"]) == (403, f'forbidden: User "nobody" cannot get path "{path}"')
    for path in ("/api", "/apis", "/apis/apps/v1", "/openapi/v2", "/openapi/v3", "/version"):
        assert walk(path, user="nobody")[0] == 200, path
        anonymous = walk(path, user="system:anonymous", groups=("system:unauthenticated",))
        assert anonymous[0] == (200 if path == "/version" else 403), path


NODE, ACCOUNT = "system:node:n1", "system:serviceaccount:default:app"
GROUPS = {NODE: ("system:nodes",), ACCOUNT: ("system:serviceaccounts", "system:serviceaccounts:default")}


@pytest.mark.parametrize(
    ("user", "request_", "allowed"),
    [
        (NODE, "GET /api/v1/nodes", True),
        (NODE, "GET /api/v1/services", True),
        (NODE, "GET /api/v1/pods?fieldSelector=spec.nodeName=n1", True),
        (NODE, "GET /api/v1/secrets", False),
        (NODE, "GET /api/v1/namespaces/default/secrets/x", False),
        (NODE, "DELETE /api/v1/nodes/n2", False),
        (NODE, "GET /apis/rbac.authorization.k8s.io/v1/clusterroles", False),
        (NODE, "POST /api/v1/namespaces/default/serviceaccounts/a/token", False),
        (NODE, "GET /api/v1/nodes/n1/proxy/", False),
        (NODE, "POST /api/v1/namespaces", False),
        (ACCOUNT, "GET /.well-known/openid-configuration", True),
        (ACCOUNT, "GET /api/v1/namespaces/default/pods", False),
        (ACCOUNT, "GET /api/v1/namespaces/default/secrets", False),
        (ACCOUNT, "POST /api/v1/namespaces/default/pods/x/exec", False),
        (ACCOUNT, "GET /api/v1/nodes", False),
    ],
)
def test_nodes_and_accounts(walk: Walker, user: str, request_: str, allowed: bool) -> None:
    method, path = request_.split()
    assert walk(path, method, user, GROUPS[user])[0] == (200 if allowed else 403)
