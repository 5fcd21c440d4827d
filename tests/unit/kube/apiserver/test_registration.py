"""The APIServices of this server's own groups: made, mended, taken away, and left alone where they are somebody's."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.apiserver.aggregation.api_service import API_SERVICES
from kprov.kube.apiserver.aggregation.registration import Registration

LABEL = "kube-aggregator.kubernetes.io/automanaged"


def api_service(name: str, label: str | None, **spec: Any) -> dict[str, Any]:
    version, _, group = name.partition(".")
    labels = {LABEL: label} if label else {}
    metadata = {"name": name, "uid": "u", "labels": labels}
    return {"metadata": metadata, "spec": {"group": group, "version": version, **spec}}


@pytest.fixture
def registration(store: Any) -> Registration:
    async def delete(resource: Any, namespace: str, name: str, **_: Any) -> None:
        store.remove(resource, namespace, name)

    store.delete = delete
    store.cached_list = lambda resource: list(store.objects.get(resource, {}).values())
    return Registration(store)


async def test_every_group_and_version_gets_one(store: Any, registration: Registration) -> None:
    await registration.register()
    found = {name: obj for (_, name), obj in store.objects[API_SERVICES].items()}
    assert {"v1.", "v1.apps", "v1.batch", "v1.rbac.authorization.k8s.io"} <= set(found)
    assert "v1.apiregistration.k8s.io" not in found
    apps = found["v1.apps"]
    assert apps["spec"] == {"group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15}
    assert apps["metadata"]["labels"] == {LABEL: "onstart"} and "group" not in found["v1."]["spec"]
    (condition,) = apps["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local")


async def test_what_is_there_is_mended_or_left(store: Any, registration: Registration) -> None:
    store.add(API_SERVICES, api_service("v1.apps", "onstart", groupPriorityMinimum=1, versionPriority=1))
    service = {"namespace": "n", "name": "s", "port": 443}
    store.add(API_SERVICES, api_service("v1.batch", None, service=service))  # somebody serves batch in this one's place
    store.add(API_SERVICES, api_service("v1.gone.example.org", "onstart"))
    store.add(API_SERVICES, api_service("v1.mine.example.org", None))
    await registration.register()
    found = {name: obj for (_, name), obj in store.objects[API_SERVICES].items()}
    assert found["v1.apps"]["spec"]["groupPriorityMinimum"] == 17800
    assert found["v1.batch"]["spec"]["service"] == service
    assert "v1.gone.example.org" not in found and "v1.mine.example.org" in found
