"""Other API servers: their places in discovery, what is wrong with their Services, and their schemas."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from kprov.kube.apiserver.aggregation.api_service import Remote, remote_of
from kprov.kube.apiserver.aggregation.availability import service_verdict
from kprov.kube.apiserver.aggregation.discovery import Known, MergedDocuments
from kprov.kube.apiserver.aggregation.forwarding import Forwarder, identity
from kprov.kube.apiserver.discovery import documents
from kprov.kube.apiserver.http.message import Response
from kprov.kube.apiserver.openapi.remote import merge, part_of, to_v3
from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.services.resolving import ServiceResolver, Unresolved
from kprov.kube.apiserver.strategy import strategy_of


def api_service(group: str = "g.example.org", version: str = "v1", **more: Any) -> dict[str, Any]:
    service = {"namespace": "n", "name": "s", "port": 443}
    spec = {"group": group, "version": version, "groupPriorityMinimum": 2000, "versionPriority": 10, "service": service}
    return {"metadata": {"name": f"{version}.{group}"}, "spec": {**spec, **more}}


def remote(group: str, version: str, group_priority: int = 2000, version_priority: int = 10) -> Remote:
    found = remote_of(
        api_service(group, version, groupPriorityMinimum=group_priority, versionPriority=version_priority)
    )
    assert found is not None
    return found


def merged(*remotes: Remote) -> MergedDocuments:
    return MergedDocuments(lambda: [Known(each, None) for each in remotes])


def test_groups_stand_where_their_priorities_place_them() -> None:
    names = [
        each["name"]
        for each in merged(remote("low.example.org", "v1", 900), remote("high.example.org", "v1", 17790)).group_list()[
            "groups"
        ]
    ]
    assert names[0] == "apiregistration.k8s.io"  # nobody comes before who says who serves what
    assert names.index("apps") + 1 == names.index("high.example.org") and names[-1] == "low.example.org"
    local = [each["name"] for each in documents.group_list()["groups"]]
    assert [name for name in names if name in local] == local
    assert merged().group_list() == documents.group_list()


def test_versions_stand_where_their_priorities_place_them() -> None:
    others = (remote("g.example.org", "v1beta1", 2000, 5), remote("g.example.org", "v2", 2000, 20),
              remote("apps", "v9", 2000, 100), remote("batch", "v0", 2000, 1))  # fmt: skip
    found = merged(*others)
    group = found.api_group("g.example.org")
    assert group is not None and [each["version"] for each in group["versions"]] == ["v2", "v1beta1"]
    assert group["preferredVersion"]["version"] == "v2"
    assert [each["version"] for each in (found.api_group("apps") or {})["versions"]] == ["v9", "v1"]
    assert [each["version"] for each in (found.api_group("batch") or {})["versions"]][-1] == "v0"
    assert found.api_group("nowhere.example.org") is None


def test_a_server_that_never_answered_is_stale() -> None:
    items = {
        each["metadata"]["name"]: each
        for each in merged(remote("g.example.org", "v1")).aggregated("apis", "v2")["items"]
    }
    assert items["g.example.org"]["versions"] == [{"version": "v1", "resources": [], "freshness": "Stale"}]
    assert "apps" in items


PORTS = {"ports": [{"name": "https", "port": 443}], "clusterIP": "10.0.0.9"}
READY = {"subsets": [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"name": "https", "port": 8443}]}]}


@pytest.mark.parametrize(
    ("service", "endpoints", "reason"),
    [
        (None, None, "ServiceNotFound"),
        ({"spec": {"ports": [{"port": 80}]}}, READY, "ServicePortError"),
        ({"spec": PORTS}, None, "EndpointsNotFound"),
        ({"spec": PORTS}, {"subsets": [{"ports": [{"name": "https"}]}]}, "MissingEndpoints"),
        ({"spec": PORTS}, {"subsets": [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{}]}]}, "MissingEndpoints"),
        ({"spec": PORTS}, READY, None),
        ({"spec": {"type": "ExternalName", "externalName": "x"}}, None, None),
    ],
)  # fmt: skip
def test_services_are_looked_at_before_anybody_is_asked(service: Any, endpoints: Any, reason: str | None) -> None:
    verdict = service_verdict(remote("g.example.org", "v1"), service, endpoints)
    assert (verdict[1] if verdict else None) == reason


def test_services_are_resolved(store: Any) -> None:
    def add(name: str, **spec: Any) -> None:
        store.add(("", "services"), {"metadata": {"namespace": "n", "name": name}, "spec": spec})

    add("s", **PORTS)
    add("headless", ports=PORTS["ports"], clusterIP="None")
    add("away", type="ExternalName", externalName="x.example.org")
    store.add(("", "endpoints"), {"metadata": {"namespace": "n", "name": "s"}, **READY})
    by_address, by_endpoint = ServiceResolver(store), ServiceResolver(store, to_endpoints=True)
    assert by_address.resolve("n", "s", 443) == ("10.0.0.9", 443)
    assert by_endpoint.resolve("n", "s", 443) == ("10.1.0.1", 8443)
    assert by_address.resolve("n", "away", 8443) == ("x.example.org", 8443)
    for resolver, name, port, words in (
        (by_address, "none", 443, 'service "none" not found'),
        (by_address, "s", 80, 'no service port 80 found for service "s"'),
        (by_address, "headless", 443, 'cannot route to service with ClusterIP "None"'),
        (by_endpoint, "headless", 443, 'no endpoints available for service "headless"'),
    ):
        with pytest.raises(Unresolved, match=words):
            resolver.resolve("n", name, port)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        (
            {"groupPriorityMinimum": 0},
            "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
        ),
        ({"versionPriority": 1001}, "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000"),
        ({"insecureSkipTLSVerify": True, "caBundle": "eA=="}, "may not be true if caBundle is present"),
        ({"service": None, "caBundle": "eA=="}, "local APIServices may not have a caBundle"),
        ({"service": {"namespace": "n", "port": 443}}, "spec.service.name: Required value"),
        ({"version": "v2"}, 'must be `spec.version+"."+spec.group`: "v2.g.example.org"'),
    ],
)
def test_api_services_are_judged(changes: dict[str, Any], said: str | None) -> None:
    obj = api_service()
    obj["spec"] |= changes
    found = [
        each.message for each in strategy_of(*RESOURCES["apiregistration.k8s.io", "apiservices"].key).validate(obj)
    ]
    assert any(said in each for each in found) if said else not found


def test_users_are_told_in_headers() -> None:
    user = UserInfo("jane", "7", ("a", "b"), {"scopes/x": ["1", "2"]})
    assert list(identity(user)) == [
        ("X-Remote-User", "jane"), ("X-Remote-Uid", "7"), ("X-Remote-Group", "a"), ("X-Remote-Group", "b"),
        ("X-Remote-Extra-scopes%2Fx", "1"), ("X-Remote-Extra-scopes%2Fx", "2"),
    ]  # fmt: skip


def test_schemas_of_others_are_cut_out_merged_and_turned_into_openapi_3() -> None:
    kind = {"x-kubernetes-group-version-kind": [{"group": "g.example.org", "version": "v1", "kind": "Star"}]}
    document = {
        "paths": {
            "/apis/g.example.org/v1/stars": {
                "post": {
                    "parameters": [{"in": "body", "name": "body", "schema": {"$ref": "#/definitions/Star"}},
                                   {"in": "query", "name": "dryRun", "type": "string"}],
                    "responses": {"201": {"description": "made", "schema": {"$ref": "#/definitions/Star"}}},
                }
            },
            "/apis/g.example.org/v10/stars": {},
        },
        "definitions": {"Star": {**kind, "properties": {"spec": {"$ref": "#/definitions/Spec"}}},
                        "Spec": {"type": "object"}, "Other": {}},
    }  # fmt: skip
    part = part_of(document, "apis/g.example.org/v1")
    assert list(part["paths"]) == ["/apis/g.example.org/v1/stars"] and set(part["definitions"]) == {"Star", "Spec"}
    whole: dict[str, Any] = {
        "paths": {},
        "definitions": {"Star": {"x-kubernetes-group-version-kind": [], "type": "array"}},
    }
    merge(whole, part)
    assert whole["definitions"]["Star"]["type"] == "array" and "Star_v2" in whole["definitions"]
    posted = whole["paths"]["/apis/g.example.org/v1/stars"]["post"]
    assert posted["parameters"][0]["schema"] == {"$ref": "#/definitions/Star_v2"}
    v3 = to_v3(part, {"title": "t", "version": "1"})
    post = v3["paths"]["/apis/g.example.org/v1/stars"]["post"]
    assert post["requestBody"]["content"]["*/*"]["schema"] == {"$ref": "#/components/schemas/Star"}
    assert post["parameters"] == [{"in": "query", "name": "dryRun", "schema": {"type": "string"}}]
    assert post["responses"]["201"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Star"}
    assert v3["components"]["schemas"]["Star"]["properties"]["spec"] == {"$ref": "#/components/schemas/Spec"}


async def test_each_cookie_of_another_server_stays_a_header() -> None:
    asked: Any = SimpleNamespace(method="GET")
    headers = CIMultiDict([("Set-Cookie", "a=1; Expires=Thu, 01 Jan 2026"), ("Set-Cookie", "b=2"), ("Connection", "x")])
    answer: Any = SimpleNamespace(headers=headers, content_length=0, status=200, read=_nothing)
    passed = await Forwarder._answer(asked, answer)
    assert isinstance(passed, Response) and list(passed.headers.items()) == list(headers.items())[:2]


async def _nothing() -> bytes:
    return b""
