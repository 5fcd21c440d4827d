"""What people do with kubectl, by kubectl itself."""

from __future__ import annotations

import json
import subprocess

import pytest

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "nginx:1", ports: [{containerPort: 80}]}
"""


def test_apply_changes_what_differs_and_nothing_else(kubectl) -> None:  # type: ignore[no-untyped-def]
    assert "created" in kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "configured" in kubectl("apply", "-f", "-", stdin=DEPLOYMENT.replace("nginx:1", "nginx:2"))
    found = json.loads(kubectl("get", "deployment", "web", "-o", "json"))
    assert found["metadata"]["generation"] == 2
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    kubectl("scale", "deployment", "web", "--replicas=5")
    assert "5" in kubectl("get", "deployment", "web")
    kubectl("delete", "deployment", "web")
    assert "not found" in kubectl("get", "deployment", "web", ok=False)


def test_an_unknown_field_is_refused(kubectl) -> None:  # type: ignore[no-untyped-def]
    said = kubectl("apply", "-f", "-", stdin=DEPLOYMENT.replace("image:", "imagee:"), ok=False)
    assert 'unknown field "spec.template.spec.containers[0].imagee"' in said


def test_services_get_addresses_and_give_them_back(kubectl) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "service", "nodeport", "np", "--tcp=80")
    spec = json.loads(kubectl("get", "service", "np", "-o", "json"))["spec"]
    assert spec["clusterIP"].startswith("10.0.0.") and 30000 <= spec["ports"][0]["nodePort"] <= 32767
    again = ["create", "service", "clusterip", "same", f"--clusterip={spec['clusterIP']}", "--tcp=1"]
    assert "already allocated" in kubectl(*again, ok=False)
    kubectl("delete", "service", "np")
    kubectl(*again)
    kubectl("delete", "service", "same")


def test_a_scheduled_pod_is_deleted_gracefully(kubectl) -> None:  # type: ignore[no-untyped-def]
    kubectl("run", "p", "--image=x")
    kubectl("patch", "pod", "p", "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n"},
    }
    path = "/api/v1/namespaces/default/pods/p/binding"
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))
    again = kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding), ok=False)
    assert 'already assigned to node "n"' in again
    kubectl("delete", "pod", "p", "--wait=false")
    metadata = json.loads(kubectl("get", "pod", "p", "-o", "json"))["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 30 and metadata["deletionTimestamp"]
    kubectl("delete", "pod", "p", "--grace-period=0", "--force")
    assert "not found" in kubectl("get", "pod", "p", ok=False)


def test_a_node_gets_tokens_for_its_own_pods_alone(kubectl) -> None:  # type: ignore[no-untyped-def]
    kubectl("run", "mine", "--image=x")
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "mine"}, "target": {"name": "n1"}}
    kubectl("create", "--raw", "/api/v1/namespaces/default/pods/mine/binding", "-f", "-", stdin=json.dumps(binding))
    uid = kubectl("get", "pod", "mine", "-o", "jsonpath={.metadata.uid}")
    bound = ["--bound-object-kind=Pod", "--bound-object-name=mine", f"--bound-object-uid={uid}"]

    def as_node(name: str) -> list[str]:
        return [f"--as=system:node:{name}", "--as-group=system:nodes", "--as-group=system:authenticated"]

    assert kubectl("create", "token", "default", *bound, *as_node("n1")).count(".") == 2
    unbound = kubectl("create", "token", "default", *as_node("n1"), ok=False)
    assert "node requested token not bound to a pod" in unbound
    assert "no relationship found" in kubectl("create", "token", "default", *bound, *as_node("n2"), ok=False)
    kubectl("delete", "pod", "mine", "--grace-period=0", "--force")


def test_privileged_containers_are_allowed_where_the_flag_says_so(kubectl) -> None:  # type: ignore[no-untyped-def]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mighty"}}
    pod["spec"] = {"containers": [{"name": "c", "image": "x", "securityContext": {"privileged": True}}]}
    kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_finalizers_hold_an_object(kubectl) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "configmap", "held")
    kubectl("patch", "configmap", "held", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/x"]}}')
    kubectl("delete", "configmap", "held", "--wait=false")
    assert "deletionTimestamp" in kubectl("get", "configmap", "held", "-o", "json")
    kubectl("patch", "configmap", "held", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    assert "not found" in kubectl("get", "configmap", "held", ok=False)


def test_a_dry_run_keeps_nothing(kubectl) -> None:  # type: ignore[no-untyped-def]
    assert "server dry run" in kubectl("create", "configmap", "dry", "--dry-run=server")
    assert "not found" in kubectl("get", "configmap", "dry", ok=False)


def test_lists_come_in_chunks(kubectl) -> None:  # type: ignore[no-untyped-def]
    for number in range(7):
        kubectl("create", "configmap", f"chunk-{number}", "--from-literal=a=b")
    kubectl("label", "configmap", "chunk-1", "chunk-5", "pick=me")
    chunked = json.loads(kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps?limit=3"))
    assert len(chunked["items"]) == 3 and chunked["metadata"]["remainingItemCount"] >= 4
    names, token = [item["metadata"]["name"] for item in chunked["items"]], chunked["metadata"]["continue"]
    kubectl("create", "configmap", "chunk-3a")  # after the first page: the list goes on as it was
    while token:
        page = json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/default/configmaps?limit=3&continue={token}"))
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
    assert "chunk-3a" not in names and [name for name in names if name.startswith("chunk-")] == [
        f"chunk-{number}" for number in range(7)
    ]
    assert kubectl("get", "configmap", "-l", "pick=me", "-o", "name").split() == [
        "configmap/chunk-1",
        "configmap/chunk-5",
    ]


def test_a_watch_tells_what_enters_and_leaves_a_selection(kubectl, plane) -> None:  # type: ignore[no-untyped-def]
    kubectl("create", "configmap", "seen")
    version = json.loads(kubectl("get", "--raw", "/api/v1/configmaps?limit=1"))["metadata"]["resourceVersion"]
    for labels in ("a=1", "a=2", "a-"):
        kubectl("label", "configmap", "seen", labels, "--overwrite")
    raw = kubectl(
        "get", "--raw", f"/api/v1/configmaps?watch=1&labelSelector=a%3D1&timeoutSeconds=1&resourceVersion={version}"
    )
    events = [json.loads(line) for line in raw.splitlines()]
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]
    assert events[1]["object"]["metadata"]["labels"] == {"a": "1"}
    old = kubectl("get", "--raw", "/api/v1/configmaps?watch=1&resourceVersion=1&timeoutSeconds=1")
    assert json.loads(old)["object"]["code"] == 410


@pytest.mark.parametrize("what", ["pods", "deployment.spec.strategy", "service.spec.ports"])
def test_explain(kubectl, what: str) -> None:  # type: ignore[no-untyped-def]
    assert "DESCRIPTION" in kubectl("explain", what)


def test_who_may_what(kubectl) -> None:  # type: ignore[no-untyped-def]
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "Forbidden" in kubectl("get", "secrets", "--as=nobody", ok=False)
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=secrets")
    kubectl("create", "rolebinding", "reader", "--role=reader", "--user=nobody")
    kubectl("get", "secrets", "--as=nobody")
    assert kubectl("create", "token", "default").count(".") == 2


def test_the_same_keys_as_upstream(kubectl, plane) -> None:  # type: ignore[no-untyped-def]
    import shutil

    etcdctl = shutil.which("etcdctl")
    assert etcdctl, "etcdctl is not installed: apt-get install etcd-client"
    out = subprocess.run(
        [etcdctl, f"--endpoints={plane.etcd_url}", "get", "/registry/services", "--prefix"],
        env={"ETCDCTL_API": "3"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = out.splitlines()
    assert "/registry/services/specs/default/kubernetes" in lines
    assert "/registry/services/endpoints/default/kubernetes" in lines
    stored = json.loads(lines[lines.index("/registry/services/specs/default/kubernetes") + 1])
    assert stored["kind"] == "Service" and "resourceVersion" not in stored["metadata"]


PRIVILEGED = """
apiVersion: v1
kind: Pod
metadata: {name: mighty}
spec:
  containers:
  - {name: c, image: x, securityContext: {privileged: true}}
"""


def test_privileged_containers_need_the_server_to_allow_them(kubectl, plane) -> None:  # type: ignore[no-untyped-def]
    create = ("create", "--dry-run=server", "-f", "-")
    assert "created" in kubectl(*create, stdin=PRIVILEGED)
    with plane.second_apiserver("--allow-privileged=false") as server:
        refusal = kubectl(*create, f"--server={server}", stdin=PRIVILEGED, ok=False)
        assert "spec.containers[0].securityContext.privileged: Forbidden: disallowed by cluster policy" in refusal
        assert "created" in kubectl(*create, f"--server={server}", stdin=PRIVILEGED.replace("true", "false"))
