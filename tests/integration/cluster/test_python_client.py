"""The official Python client against a running cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance_cluster import AcceptanceCluster, eventually
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward, stream
from manifests import WEB_SERVER, config_map, container, pod, web_deployment


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


def test_exec_and_logs(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(
        namespace, pod("box", container("for i in 1 2 3; do echo line $i; done; sleep 1000 & wait"))
    )
    eventually("the pod runs", lambda: core.read_namespaced_pod("box", namespace).status.phase == "Running")
    call, streams = core.connect_get_namespaced_pod_exec, {"stderr": True, "stdout": True, "tty": False}
    said = stream(call, "box", namespace, command=["sh", "-c", "echo out; echo err >&2"], stdin=False, **streams)
    assert sorted(said.split()) == ["err", "out"]
    command = ["sh", "-c", "read word; echo got $word; exit 4"]
    session = stream(call, "box", namespace, command=command, stdin=True, _preload_content=False, **streams)
    session.write_stdin("hello\n")
    session.run_forever(timeout=20)
    assert session.read_stdout() == "got hello\n" and session.returncode == 4
    lines = watch.Watch().stream(core.read_namespaced_pod_log, "box", namespace, follow=True)
    assert [next(lines) for _ in range(3)] == ["line 1", "line 2", "line 3"]
    lines.close()


def test_port_forward(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("web", container(WEB_SERVER)))
    eventually("the pod runs", lambda: core.read_namespaced_pod("web", namespace).status.phase == "Running")

    def page() -> bytes:
        tunnel = portforward(core.connect_get_namespaced_pod_portforward, "web", namespace, ports="80")
        socket, answer = tunnel.socket(80), b""
        socket.setblocking(True)
        socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while more := socket.recv(1024):
            answer += more
        tunnel.close()
        assert tunnel.error(80) is None
        return answer

    eventually("the page", lambda: page().endswith(b"kprov busybox 1\n"))


def test_a_deployment(core: client.CoreV1Api, namespace: str) -> None:
    apps = client.AppsV1Api(core.api_client)
    apps.create_namespaced_deployment(namespace, web_deployment(replicas=1))
    seen = watch.Watch()
    for event in seen.stream(apps.list_namespaced_deployment, namespace, timeout_seconds=150):
        if event["object"].status.available_replicas == 1:
            seen.stop()
    assert apps.read_namespaced_deployment("web", namespace).status.available_replicas == 1
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    eventually("two", lambda: apps.read_namespaced_deployment("web", namespace).status.available_replicas == 2)
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    eventually("none", lambda: not core.list_namespaced_pod(namespace).items)
