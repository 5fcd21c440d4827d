"""Versions that older clients speak: conversions, types, warnings, documents."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver import deprecations
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.openapi.documents import older_versions
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.versions import from_storage, to_storage

Object = dict[str, Any]

OLD: Object = {
    "apiVersion": "extensions/v1beta1",
    "kind": "Ingress",
    "metadata": {"name": "web"},
    "spec": {
        "backend": {"serviceName": "all", "servicePort": "http"},
        "rules": [
            {"host": "a", "http": {"paths": [{"path": "/", "backend": {"serviceName": "b", "servicePort": 80}}]}}
        ],
    },
}
NEW_SPEC: Object = {
    "defaultBackend": {"service": {"name": "all", "port": {"name": "http"}}},
    "rules": [
        {
            "host": "a",
            "http": {
                "paths": [
                    {
                        "pathType": "ImplementationSpecific",
                        "path": "/",
                        "backend": {"service": {"name": "b", "port": {"number": 80}}},
                    }
                ]
            },
        }
    ],
}


@pytest.mark.parametrize("group", ["extensions", "networking.k8s.io"])
def test_ingresses_of_old(group: str) -> None:
    info = RESOURCES[group, "ingresses"]
    given = {**OLD, "apiVersion": f"{group}/v1beta1"}
    held = conform(given, info, "v1beta1", "Strict", [])
    stored = to_storage(info, "v1beta1", held)
    assert stored["apiVersion"] == "networking.k8s.io/v1" and stored["spec"] == NEW_SPEC
    back = from_storage(info, "v1beta1", stored)
    assert back["apiVersion"] == f"{group}/v1beta1"
    path = back["spec"]["rules"][0]["http"]["paths"][0]
    assert back["spec"]["backend"] == OLD["spec"]["backend"] and path["backend"]["servicePort"] == 80
    # one object, whatever group it is asked for by
    assert info.storage_prefix == RESOURCES["networking.k8s.io", "ingresses"].storage_prefix


@pytest.mark.parametrize(
    "spec", [{"rules": {}}, {"rules": ["x"]}, {"backend": 1}, {"rules": [{"http": {"paths": "x"}}]}]
)
def test_an_ingress_of_old_that_is_none_is_refused(spec: Object) -> None:
    with pytest.raises(ApiError) as refused:
        conform({**OLD, "spec": spec}, RESOURCES["extensions", "ingresses"], "v1beta1", "", [])
    assert refused.value.code == 400


def test_who_asks_for_an_old_version_is_told() -> None:
    said = deprecations.warning(RESOURCES["rbac.authorization.k8s.io", "roles"], "v1beta1")
    assert said == (
        "rbac.authorization.k8s.io/v1beta1 Role is deprecated in v1.17+, unavailable in v1.22+; "
        "use rbac.authorization.k8s.io/v1 Role"
    )
    assert deprecations.warning(RESOURCES["rbac.authorization.k8s.io", "roles"], "v1") is None
    assert deprecations.warning(RESOURCES["batch", "cronjobs"], "v1beta1") is None


def test_versions_of_the_same_shape_are_documented() -> None:
    newest = "io.k8s.api.batch.v1.CronJob"
    told = [{"group": "batch", "version": "v1", "kind": "CronJob"}]
    definitions: Object = {
        newest: {"description": "runs", "x-kubernetes-group-version-kind": told},
        newest + "List": {
            "properties": {"items": {"items": {"$ref": f"#/$defs/{newest}"}, "type": "array"}},
            "x-kubernetes-group-version-kind": [{**told[0], "kind": "CronJobList"}],
        },
    }
    found = older_versions([RESOURCES["batch", "cronjobs"], RESOURCES["networking.k8s.io", "ingresses"]], definitions)
    assert set(found) == {"io.k8s.api.batch.v1beta1.CronJob", "io.k8s.api.batch.v1beta1.CronJobList"}
    assert found["io.k8s.api.batch.v1beta1.CronJob"]["x-kubernetes-group-version-kind"][0]["version"] == "v1beta1"
    items = found["io.k8s.api.batch.v1beta1.CronJobList"]["properties"]["items"]["items"]
    assert items == {"$ref": "#/$defs/io.k8s.api.batch.v1beta1.CronJob"}
