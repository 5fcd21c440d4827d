"""The OpenAPI documents: what kubectl looks for in them is there, and both forms say the same."""

from __future__ import annotations

import gzip

import orjson
import pytest

from kprov.kube.apiserver.openapi.documents import Builder
from kprov.kube.apiserver.openapi.proto import openapi_v2_pb2 as messages
from kprov.kube.apiserver.openapi.protobuf import encode
from kprov.kube.apiserver.openapi.schemas import restored
from kprov.kube.apiserver.openapi.service import OpenApi
from kprov.kube.apiserver.resources.table import RESOURCES


@pytest.fixture(scope="module")
def builder() -> Builder:
    return Builder(RESOURCES.values(), "v1.32.0")


def test_every_kind_that_is_served_has_its_operations(builder: Builder) -> None:
    document = builder.v2()
    for info in RESOURCES.values():
        for version in info.versions:
            base = f"/apis/{info.group}/{version}" if info.group else f"/api/{version}"
            assert any(path.startswith(base) and info.plural in path for path in document["paths"]), info.group_resource


def test_every_reference_leads_somewhere(builder: Builder) -> None:
    for path in builder.group_paths():
        document = builder.v3(path)
        text = orjson.dumps(document).decode()
        schemas = document["components"]["schemas"]
        for reference in set(text.split('"$ref":"')[1:]):
            name = reference.split('"')[0]
            assert name.startswith("#/components/schemas/") and name.rsplit("/", 1)[1] in schemas, f"{path}: {name}"


def test_what_kubectl_needs_for_apply_and_dry_run(builder: Builder) -> None:
    document = builder.v3("apis/apps/v1")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert {"dryRun", "fieldValidation", "fieldManager"} <= {entry["name"] for entry in patch["parameters"]}
    containers = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"


def test_types_are_upstreams_again() -> None:
    assert restored({"type": ["string", "null"]}, "#/") == {"type": "string"}
    kind = {"properties": {"kind": {"type": ["string", "null"], "enum": ["Pod"]}}}
    assert restored(kind, "#/") == {"properties": {"kind": {"type": "string"}}}


def test_protobuf_says_what_json_says(builder: Builder) -> None:
    document = builder.v2()
    message = messages.Document.FromString(encode(document))
    assert {entry.name for entry in message.paths.path} == set(document["paths"])
    definitions = {entry.name: entry.value for entry in message.definitions.additional_properties}
    assert set(definitions) == set(document["definitions"])
    pod = definitions["io.k8s.api.core.v1.Pod"]
    kinds = next(entry.value.yaml for entry in pod.vendor_extension if entry.name == "x-kubernetes-group-version-kind")
    assert orjson.loads(kinds) == [{"group": "", "kind": "Pod", "version": "v1"}]


async def test_the_service_builds_once_and_gives_bytes() -> None:
    service = OpenApi()
    first, again = await service.v2_json(), await service.v2_json()
    assert first.etag == again.etag
    assert orjson.loads(gzip.decompress(first.gzipped))["swagger"] == "2.0"
    index = await service.v3_index()
    assert "apis/apps/v1" in index["paths"]  # type: ignore[operator]
    assert await service.v3_group("apis/nowhere/v1") is None
