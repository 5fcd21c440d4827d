"""kubectl as people use it, the newest and Debian 12's, against a running cluster."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import urllib.request

from acceptance_cluster import AcceptanceCluster, Kubectl, eventually
from manifests import WEB_SERVER, config_map, container, pod, service, web_deployment


def _answers(cluster: AcceptanceCluster, machine: str, *urls: str) -> str:
    loop = "import sys,urllib.request\nfor u in sys.argv[1:]: urllib.request.urlopen(u,timeout=5).read()"
    return cluster.lab.run(machine, f"python3 -c '{loop}' {' '.join(urls)} && echo all", check=False)


def test_nodes(cluster: AcceptanceCluster, kubectl: Kubectl) -> None:
    rows = kubectl("get", "nodes", "-o", "wide", "--no-headers").splitlines()
    assert len(rows) == 5
    for row in rows:
        name, state, *rest = row.split()
        assert state == "Ready" and cluster.address(name) in rest and "containerd://" in row


def test_a_service_is_reached_from_everywhere(cluster: AcceptanceCluster, kubectl: Kubectl) -> None:
    said = kubectl.apply(web_deployment(), service("web", kind="NodePort"))
    assert "deployment.apps/web created" in said
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=150s")
    web = kubectl.json("get", "service", "web")["spec"]
    urls = [f"http://{cluster.address(name)}:{web['ports'][0]['nodePort']}" for name in cluster.machines()]
    for machine in cluster.machines():
        asked = (f"http://{web['clusterIP']}", *urls)
        eventually(f"all from {machine}", lambda m=machine, asked=asked: "all" in _answers(cluster, m, *asked))
    for name in ("web", f"web.{kubectl.namespace}.svc.cluster.local"):
        fetch = ("exec", "deployment/web", "--", "timeout", "5", "wget", "-q", "-O", "-", f"http://{name}")
        eventually(f"the page of {name}", lambda fetch=fetch: "busybox 1" in kubectl(*fetch))


def test_logs(kubectl: Kubectl) -> None:
    counting = container("i=0; while :; do echo line $i; i=$((i+1)); sleep 0.1; done & wait")
    dying = container("echo dying; exit 3")
    kubectl.apply(pod("counting", counting), pod("dying", dying))
    kubectl("wait", "--for=condition=Ready", "pod/counting", "--timeout=150s")
    eventually("three lines", lambda: len(kubectl("logs", "counting").splitlines()) > 3)
    assert len(kubectl("logs", "counting", "--tail=2").splitlines()) == 2
    following = subprocess.Popen(kubectl.line("logs", "-f", "counting"), stdout=subprocess.PIPE, text=True)
    try:
        assert following.stdout is not None
        assert [following.stdout.readline() for _ in range(10)] == [f"line {number}\n" for number in range(10)]
    finally:
        following.kill()
        following.wait()
    eventually("a restart", lambda: "dying" in kubectl.run("logs", "dying", "--previous").stdout)


def test_exec(kubectl: Kubectl) -> None:
    kubectl.apply(pod("box", container()))
    kubectl("wait", "--for=condition=Ready", "pod/box", "--timeout=150s")
    text = "".join(f"line {number}\n" for number in range(20_000))
    assert kubectl("exec", "-i", "box", "--", "cat", given=text) == text
    done = kubectl.run("exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "out\n") and "err" in done.stderr
    assert kubectl.run("exec", "box", "--", "no-such-program").returncode != 0


def test_port_forward(kubectl: Kubectl) -> None:
    kubectl.apply(pod("web", container(WEB_SERVER)))
    kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=150s")
    tunnel = subprocess.Popen(
        kubectl.line("port-forward", "pod/web", ":80", "--address=127.0.0.1"), stdout=subprocess.PIPE, text=True
    )
    try:
        assert tunnel.stdout is not None
        port = re.search(r"127\.0\.0\.1:(\d+)", tunnel.stdout.readline())
        assert port
        pages: list[bytes] = []

        def fetch() -> None:
            pages.append(urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/", timeout=10).read())

        threads = [threading.Thread(target=fetch) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert pages == [b"kprov busybox 1\n"] * 8
    finally:
        tunnel.kill()
        tunnel.wait()


def test_a_deployment_through_its_life(kubectl: Kubectl) -> None:
    kubectl.apply(web_deployment(replicas=2))
    kubectl("rollout", "status", "deployment/web", "--timeout=150s")
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl("rollout", "status", "deployment/web", "--timeout=150s")
    assert len(kubectl.pods("app=web")) == 3
    kubectl("set", "image", "deployment/web", "main=registry.kprov.local/busybox:2")
    kubectl("rollout", "status", "deployment/web", "--timeout=150s")
    page = ("exec", "deployment/web", "--", "cat", "/var/www/index.html")
    eventually(
        "no old pod, which exec may choose while it ends", lambda: len(kubectl.json("get", "pods")["items"]) == 3
    )
    assert "busybox 2" in kubectl(*page)
    assert kubectl("rollout", "history", "deployment/web").split()[-4::2] == ["1", "2"]
    assert "busybox:1" in kubectl("rollout", "history", "deployment/web", "--revision=1")
    kubectl("rollout", "undo", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=150s")
    images = {each["spec"]["containers"][0]["image"] for each in kubectl.pods("app=web")}
    assert images == {"registry.kprov.local/busybox:1"}
    assert "ScalingReplicaSet" in kubectl("get", "events")
    kubectl("delete", "deployment/web", "--timeout=150s")
    eventually("replica sets are gone", lambda: not kubectl.json("get", "replicasets")["items"])
    eventually("pods are gone", lambda: not kubectl.json("get", "pods")["items"])


def test_describe(kubectl: Kubectl) -> None:
    kubectl.apply(web_deployment(replicas=1), service("web"))
    kubectl("rollout", "status", "deployment/web", "--timeout=150s")
    assert "6 replicas" not in kubectl("describe", "deployment/web")
    assert re.search(r"1 desired \| 1 updated \| 1 total \| 1 available", kubectl("describe", "deployment/web"))
    described = eventually("events", lambda: re.search(r".*Started.*", kubectl("describe", "pods"), re.DOTALL))[0]
    assert re.search(r"Normal\s+Scheduled.*default-scheduler\s+Successfully assigned", described)
    assert re.search(r"Endpoints:\s+10\.244\.", kubectl("describe", "service/web"))
    assert re.search(r"KubeletReady|Ready\s+True", kubectl("describe", "node", "w1"))


def test_questions_to_the_server(kubectl: Kubectl) -> None:
    assert "NodePort" in kubectl("explain", "service.spec.type")
    assert "rollingUpdate" in kubectl("explain", "deployment.spec.strategy")
    known = kubectl("api-resources", "--no-headers")
    for kind in ("pods", "deployments", "cronjobs", "networkpolicies", "leases", "storageclasses"):
        assert re.search(rf"^{kind}\s", known, re.MULTILINE), kind
    assert kubectl("auth", "can-i", "delete", "nodes").strip() == "yes"
    account = f"--as=system:serviceaccount:{kubectl.namespace}:default"
    assert kubectl.run("auth", "can-i", "list", "pods", account).stdout.strip() == "no"
    assert "forbidden" in kubectl.run("get", "pods", account).stderr
    assert kubectl.run("top", "nodes").returncode != 0
    assert "v1.32.0+kprov" in kubectl("version")


def test_changing_objects(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings", a="1", b="2"))
    kubectl("label", "configmap", "settings", "tier=front")
    kubectl("annotate", "configmap", "settings", "note=by hand")
    kubectl("patch", "configmap", "settings", "-p", '{"data": {"c": "3"}}')
    json_patch = json.dumps([{"op": "replace", "path": "/data/a", "value": "10"}])
    kubectl("patch", "configmap", "settings", "--type=json", "-p", json_patch)
    kubectl.apply(config_map("settings", a="10", d="4"))  # b was applied and is not any more; c is somebody else's
    found = kubectl.json("get", "configmap", "settings")
    assert found["data"] == {"a": "10", "c": "3", "d": "4"}
    assert found["metadata"]["labels"] == {"tier": "front"} and found["metadata"]["annotations"]["note"] == "by hand"


def test_apply_merges_lists_by_their_keys(kubectl: Kubectl) -> None:
    main = container(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])
    deployment = web_deployment(replicas=0)
    deployment["spec"]["template"]["spec"]["containers"] = [main]
    kubectl.apply(deployment)
    added = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "C", "value": "3"}]}]}}}}
    kubectl("patch", "deployment", "web", "-p", json.dumps(added))
    main["env"] = [{"name": "A", "value": "9"}]
    kubectl.apply(deployment)
    (found,) = kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["value"] for each in found["env"]} == {"A": "9", "C": "3"}


def test_a_namespace_goes_with_all_it_holds(cluster: AcceptanceCluster, kubectl: Kubectl) -> None:
    kubectl.apply(web_deployment(replicas=1), service("web"), config_map("settings", a="1"))
    kubectl("delete", "namespace", kubectl.namespace, "--timeout=150s")
    assert kubectl.run("get", "namespace", kubectl.namespace).returncode != 0
    kubectl("create", "namespace", kubectl.namespace)
    assert "No resources found" in kubectl.run("get", "deployments,services,pods").stderr


def test_a_namespace_is_terminating_while_something_holds_it(kubectl: Kubectl) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    kubectl.apply(held)
    name = kubectl.namespace
    kubectl("delete", "namespace", name, "--wait=false")
    assert re.search(rf"^{name}\s+Terminating", kubectl("get", "namespace", name, "--no-headers"))
    reasons = "jsonpath={.status.conditions[?(@.status=='True')].type}"
    wanted = {"NamespaceContentRemaining", "NamespaceFinalizersRemaining"}
    eventually("why it stays", lambda: set(kubectl("get", "namespace", name, "-o", reasons).split()) == wanted)
    refused = kubectl.run("create", "configmap", "late").stderr
    assert "because it is being terminated" in refused
    assert "timed out" in kubectl.run("wait", "--for=delete", f"namespace/{name}", "--timeout=1s").stderr
    assert "timed out" in kubectl.run("delete", "namespace", name, "--timeout=1s").stderr
    waiting = subprocess.Popen(kubectl.line("wait", "--for=delete", f"namespace/{name}", "--timeout=150s"))
    kubectl("patch", "configmap", "held", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    assert waiting.wait(150) == 0
    assert "NotFound" in kubectl.run("get", "namespace", name).stderr
    kubectl("create", "namespace", name)
