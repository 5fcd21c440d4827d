"""The official Python client against a running cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance_cluster import AcceptanceCluster
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from manifests import config_map


@pytest.fixture
def core(cluster: AcceptanceCluster) -> Iterator[client.CoreV1Api]:
    api = config.new_client_from_config(str(cluster.kubeconfig))
    yield client.CoreV1Api(api)
    api.close()


def test_objects(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, config_map("one", a="1"))
    core.patch_namespaced_config_map("one", namespace, {"data": {"b": "2"}})
    found = core.read_namespaced_config_map("one", namespace)
    assert found.data == {"a": "1", "b": "2"}
    found.data["a"] = "3"
    core.replace_namespaced_config_map("one", namespace, found)
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("one", namespace, found)
    assert refused.value.status == 409
    for number in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"many-{number}"))
    page = core.list_namespaced_config_map(namespace, limit=3)
    rest = core.list_namespaced_config_map(namespace, limit=30, _continue=page.metadata._continue)
    names = [each.metadata.name for each in page.items + rest.items if each.metadata.name.startswith("many")]
    assert names == [f"many-{number}" for number in range(5)]
    assert len(core.list_node().items) == 5


def test_watch_from_a_list(core: client.CoreV1Api, namespace: str) -> None:
    begin = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("seen", a="1"))
    core.patch_namespaced_config_map("seen", namespace, {"data": {"a": "2"}})
    core.delete_namespaced_config_map("seen", namespace)
    events = watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=begin,
        timeout_seconds=5,
        field_selector="metadata.name=seen",
    )
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
