"""APIServices with a real HTTPS server behind them: requests, streams, discovery, schemas, and what fails."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from other_server import BASE, GROUP, VERSION, OtherServer

from kprov.lab.control_plane.authority import Authority
from kprov.lab.control_plane.plane import ControlPlane

NAME = f"{VERSION}.{GROUP}"


class Client:
    """Requests as the administrator, one connection each."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._token = yaml.safe_load(plane.kubeconfig().read_text())["users"][0]["user"]["token"]

    def connect(self, server: str = "") -> ssl.SSLSocket:
        url = urlsplit(server or self._plane.server)
        context = ssl.create_default_context(cafile=str(self._plane.pki / "ca.crt"))
        return context.wrap_socket(socket.create_connection((url.hostname, url.port), 20), server_hostname="127.0.0.1")

    def __call__(self, path: str, *, server: str = "", method: str = "GET", **headers: str) -> tuple[int, str]:
        url = urlsplit(server or self._plane.server)
        context = ssl.create_default_context(cafile=str(self._plane.pki / "ca.crt"))
        connection = http.client.HTTPSConnection(url.hostname or "", url.port, context=context, timeout=20)
        given = {"Authorization": f"Bearer {self._token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, headers=given)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, text

    def head(self, path: str, *lines: str) -> bytes:
        first = f"GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {self._token}\r\n"
        return (first + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode()


@pytest.fixture(scope="module")
def client(plane: ControlPlane) -> Client:
    return Client(plane)


def api_service(namespace: str, port: int, **trust: object) -> str:
    spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 10, **trust,
            "service": {"namespace": namespace, "name": "stars", "port": port}}  # fmt: skip
    return json.dumps(
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": NAME}, "spec": spec}
    )


@pytest.fixture
def other(plane: ControlPlane, kubectl, tmp_path: Path) -> Iterator[tuple[OtherServer, str]]:  # type: ignore[no-untyped-def]
    """The other server behind an APIService that is available, and the namespace of its Service."""
    namespace = f"stars-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", namespace)
    made = OtherServer(tmp_path / "other", f"stars.{namespace}.svc", plane.pki / "ca.crt")
    kubectl("create", "service", "externalname", "stars", "-n", namespace, "--external-name=localhost")
    kubectl("create", "-f", "-", stdin=api_service(namespace, made.port, caBundle=made.bundle))
    kubectl("wait", "--for=condition=Available", f"apiservice/{NAME}", "--timeout=150s")
    yield made, namespace
    kubectl("delete", "apiservice", NAME, "--ignore-not-found")
    kubectl("delete", "namespace", namespace, "--wait=false")
    made.stop()


def test_requests_reach_it_with_their_user_and_nothing_that_it_must_not_know(kubectl, client, other) -> None:  # type: ignore[no-untyped-def]
    server, _ = other
    assert kubectl("get", "stars", "-o", "name").split() == [
        "star.stars.example.org/sirius",
        "star.stars.example.org/vega",
    ]
    method, _, headers, proxy = server.last(f"{BASE}/stars")
    assert method == "GET" and proxy == "front-proxy-client"
    assert headers["x-remote-user"] == ["kubernetes-admin"]
    assert headers["x-remote-group"] == ["system:masters", "system:authenticated"]
    assert "authorization" not in headers and headers["x-forwarded-for"] == ["127.0.0.1"]
    client(f"{BASE}/stars/rigel", X_Remote_User="mallory", X_Remote_Group="evil", X_Remote_Extra_Scopes="all")
    headers = server.last(f"{BASE}/stars/rigel")[2]
    assert headers["x-remote-user"] == ["kubernetes-admin"] and "x-remote-extra-scopes" not in headers
    client(f"{BASE}/stars/altair", Impersonate_User="jane", Impersonate_Group="system:masters")
    headers = server.last(f"{BASE}/stars/altair")[2]
    assert headers["x-remote-user"] == ["jane"] and not any(name.startswith("impersonate") for name in headers)
    created = kubectl("create", "-f", "-", "-o", "jsonpath={.spec.light}", "--validate=false", stdin=json.dumps(
        {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Star", "metadata": {"name": "mira"}, "spec": {"light": 9}}))  # fmt: skip # noqa: E501
    assert created == "9"
    asked = len(server.asked)
    status, text = client(f"{BASE}/stars", Impersonate_User="nobody")
    assert status == 403 and 'User "nobody" cannot list resource "stars" in API group' in json.loads(text)["message"]
    assert not [each for each in server.asked[asked:] if "nobody" in each[2].get("x-remote-user", ())]


def test_discovery_and_schemas_know_it(kubectl, client, other) -> None:  # type: ignore[no-untyped-def]
    groups = json.loads(client("/apis")[1])["groups"]
    names = [each["name"] for each in groups]
    assert names[0] == "apiregistration.k8s.io" and GROUP in names
    assert json.loads(client(f"/apis/{GROUP}")[1])["preferredVersion"]["groupVersion"] == f"{GROUP}/{VERSION}"
    form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    found = json.loads(client("/apis", Accept=form)[1])["items"]
    told = next(each for each in found if each["metadata"]["name"] == GROUP)["versions"]
    assert [(each["version"], each["freshness"]) for each in told] == [(VERSION, "Current")]
    star = told[0]["resources"][0]
    assert star["resource"] == "stars" and star["scope"] == "Cluster" and star["shortNames"] == ["st"]
    assert [each["subresource"] for each in star["subresources"]] == ["status"]
    assert "stars" in kubectl("api-resources", f"--api-group={GROUP}")
    v2 = json.loads(client("/openapi/v2")[1])
    assert "org.example.stars.v1.StarSpec" in v2["definitions"] and "org.example.Unrelated" not in v2["definitions"]
    assert f"{BASE}/stars/{{name}}" in v2["paths"] and "/apis/elsewhere.example.org/v1/x" not in v2["paths"]
    assert client("/openapi/v2", Accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")[0] == 200
    assert "how bright it is" in kubectl("explain", "star.spec.light")  # from OpenAPI 3


def test_streams_pass_through(plane: ControlPlane, kubectl, client, other) -> None:  # type: ignore[no-untyped-def]
    server, _ = other
    watch = subprocess.Popen(
        kubectl.line("get", "stars", "--watch-only", "-o", "name"), stdout=subprocess.PIPE, text=True
    )
    try:
        assert watch.stdout is not None
        assert "rigel" in watch.stdout.readline()  # while the other server still holds the second event
        server.go_on.set()
        assert "altair" in watch.stdout.readline()
    finally:
        watch.kill()
        watch.communicate()
    with client.connect() as connection:
        connection.sendall(client.head(f"{BASE}/stars/x/exec", "Connection: Upgrade", "Upgrade: SPDY/3.1"))
        reader = connection.makefile("rb")
        assert b" 101 " in reader.readline()
        while reader.readline().strip():
            pass
        connection.sendall(b"hello\n")
        assert reader.readline() == b"heard hello\n"
    headers = server.last(f"{BASE}/stars/x/exec")[2]
    assert headers["x-remote-user"] == ["kubernetes-admin"] and "authorization" not in headers
    with pytest.raises(http.client.IncompleteRead):  # what breaks off there must not look whole here
        client(f"{BASE}/stars/broken")


def test_all_servers_serve_it_at_once_and_forget_it(plane: ControlPlane, kubectl, client, other) -> None:  # type: ignore[no-untyped-def]
    server, namespace = other
    with plane.second_apiserver() as second:
        assert client(f"{BASE}/stars", server=second)[0] == 200
        kubectl("delete", "apiservice", NAME)
        assert client(f"{BASE}/stars", server=second)[0] == 404
        assert client(BASE)[0] == 404
        kubectl("create", "-f", "-", stdin=api_service(namespace, server.port, insecureSkipTLSVerify=True))
        kubectl("wait", "--for=condition=Available", f"apiservice/{NAME}", "--timeout=150s")
        assert client(f"{BASE}/stars", server=second)[0] == 200


def test_what_fails_is_told(plane: ControlPlane, kubectl, client, other, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    server, namespace = other
    wrong = tmp_path / "wrong"
    Authority(wrong)
    bundle = OtherServer.bundle_of(wrong)
    kubectl("patch", "apiservice", NAME, "--type=merge", "-p", json.dumps({"spec": {"caBundle": bundle}}))
    status, text = client(f"{BASE}/stars")
    assert status == 503 and "certificate" in text.lower()
    kubectl("patch", "apiservice", NAME, "--type=merge", "-p", json.dumps({"spec": {"caBundle": server.bundle}}))
    assert client(f"{BASE}/stars")[0] == 200
    server.stop()
    status, text = client(f"{BASE}/stars")
    assert status == 503 and text.strip()
    kubectl("annotate", "service", "stars", "-n", namespace, "look=again")
    kubectl("wait", "--for=condition=Available=False", f"apiservice/{NAME}", "--timeout=150s")
    assert client(f"{BASE}/stars") == (503, "service unavailable\n")
    assert "False (FailedDiscoveryCheck)" in kubectl("get", "apiservice", NAME)
    form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert '"freshness":"Stale"' in client("/apis", Accept=form)[1]
    again = OtherServer(tmp_path / "other", "", plane.pki / "ca.crt", server.port)
    try:
        kubectl("wait", "--for=condition=Available", f"apiservice/{NAME}", "--timeout=150s")
        assert client(f"{BASE}/stars")[0] == 200
        kubectl("delete", "service", "stars", "-n", namespace)
        kubectl("wait", "--for=condition=Available=False", f"apiservice/{NAME}", "--timeout=150s")
        assert "ServiceNotFound" in kubectl("get", "apiservice", NAME)
    finally:
        again.stop()


def test_own_groups_are_listed_as_local(kubectl) -> None:  # type: ignore[no-untyped-def]
    listed = kubectl("get", "apiservices")
    assert "v1.apps" in listed and "Local" in listed and "v1.apiregistration.k8s.io" not in listed
    refused = kubectl("create", "-f", "-", ok=False, stdin=api_service("x", 0).replace('"port": 0', '"port": 70000'))
    assert "spec.service.port: Invalid value: 70000: port is not valid" in refused
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "moons.sky.example.org"},
        "spec": {"group": "sky.example.org", "scope": "Cluster", "names": {"plural": "moons", "kind": "Moon"},
                 "versions": [{"name": "v1", "served": True, "storage": True,
                               "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    }  # fmt: skip
    kubectl("create", "-f", "-", stdin=json.dumps(definition))
    kubectl("wait", "--for=condition=Available", "apiservice/v1.sky.example.org", "--timeout=150s")
    kubectl("delete", "customresourcedefinition", "moons.sky.example.org")
    kubectl("wait", "--for=delete", "apiservice/v1.sky.example.org", "--timeout=150s")
