"""What Services promise beyond reaching some pod."""

from __future__ import annotations

import re

import pytest
from acceptance_cluster import AcceptanceCluster, Kubectl, eventually
from manifests import container, pod, service, web_container, web_deployment
from steady_client import SteadyClient

# Begins what test_workloads waits for.
pytestmark = pytest.mark.usefixtures("changed_volumes")

# Answers with the pod's own name.
NAMING = "trap 'exit 0' TERM; mkdir /w; hostname > /w/index.html; httpd -f -h /w -p 80 & wait"


def _naming(name: str, node: str) -> dict[str, object]:
    return pod(name, {**web_container(), **container(NAMING)}, labels={"app": "named"}, nodeName=node)


def _named_pods(kube: Kubectl) -> None:
    kube.apply(_naming("one", "w1"), _naming("two", "w2"), _naming("three", "w2"))
    kube("wait", "--for=condition=Ready", "pods", "--all", "--timeout=150s")


def _ask(cluster: AcceptanceCluster, machine: str, url: str, times: int = 12) -> list[str]:
    script = (
        "import sys,urllib.request as u\n"
        f"for _ in range({times}):\n"
        " try: print(u.urlopen(sys.argv[1], timeout=2).read().decode().strip())\n"
        " except OSError: print()\n"
    )
    return cluster.lab.run(machine, f"python3 -c '{script}' {url}").splitlines()


def test_spread_and_affinity(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    _named_pods(kube)
    kube.apply(service("any", app="named"), service("same", app="named", sessionAffinity="ClientIP"))
    address = {name: kube.json("get", "service", name)["spec"]["clusterIP"] for name in ("any", "same")}
    urls = {name: f"http://{each}/" for name, each in address.items()}
    eventually("all pods", lambda: set(_ask(cluster, "cp1", urls["any"], 40)) == {"one", "two", "three"})
    eventually("an answer", lambda: "" not in _ask(cluster, "cp1", urls["same"]))
    assert len(set(_ask(cluster, "cp1", urls["same"], 20))) == 1


def test_node_ports_keep_clients_from_any_machine(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    _named_pods(kube)
    kube.apply(service("same", app="named", kind="NodePort", sessionAffinity="ClientIP"))
    port = kube.json("get", "service", "same")["spec"]["ports"][0]["nodePort"]
    # cp2 has none of the pods: what it hands on must come back through it
    url = f"http://{cluster.address('cp2')}:{port}"
    answer = eventually("an answer", lambda: (found := set(_ask(cluster, "cp1", url))) and "" not in found and found)
    assert len(answer) == 1


def test_external_traffic_policy_local(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    _named_pods(kube)
    kube.apply(service("near", app="named", kind="NodePort", externalTrafficPolicy="Local"))
    port = kube.json("get", "service", "near")["spec"]["ports"][0]["nodePort"]
    url = "http://{}:" + str(port)
    eventually("w1's own", lambda: set(_ask(cluster, "cp1", url.format(cluster.address("w1")))) == {"one"})
    both = url.format(cluster.address("w2"))
    eventually("w2's own", lambda: set(_ask(cluster, "cp1", both, 30)) == {"two", "three"})
    assert set(_ask(cluster, "cp1", url.format(cluster.address("cp2")), 1)) == {""}


def test_a_pod_reaches_itself_through_its_service(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    kube.apply(_naming("alone", "w1"), service("self", app="named", kind="NodePort"))
    kube("wait", "--for=condition=Ready", "pod/alone", "--timeout=150s")
    port = kube.json("get", "service", "self")["spec"]["ports"][0]["nodePort"]
    for url in ("http://self/", f"http://{cluster.address('w1')}:{port}/", f"http://{cluster.address('cp2')}:{port}/"):
        asked = ("exec", "alone", "--", "timeout", "5", "wget", "-q", "-O", "-", url)
        eventually(url, lambda asked=asked: kube.run(*asked).stdout.strip() == "alone")


def test_a_service_without_pods_refuses_at_once(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    kube.apply(service("nobody"))
    address = kube.json("get", "service", "nobody")["spec"]["clusterIP"]
    script = f"import socket; socket.create_connection(('{address}', 80), timeout=5)"
    command = f'python3 -c "{script}" 2>&1 | tail -1'
    eventually("a refusal", lambda: "refused" in cluster.lab.run("cp1", command))


def test_a_rolling_update_loses_no_request(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    kube.apply(web_deployment(), service("web"))
    kube("rollout", "status", "deployment/web", "--timeout=150s")
    address = kube.json("get", "service", "web")["spec"]["clusterIP"]
    client = SteadyClient(cluster, "cp3", f"http://{address}/")
    try:
        kube("set", "image", "deployment/web", "main=registry.kprov.local/busybox:2")
        fewest = 6

        def updated() -> bool:
            nonlocal fewest
            deployment = kube.json("get", "deployment", "web")
            status = deployment["status"]
            if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
                return False
            fewest = min(fewest, status.get("availableReplicas", 0))
            return status.get("updatedReplicas") == 6 == status["replicas"] == status.get("availableReplicas")

        eventually("the update is through", updated)
        asked = client.stop()
    finally:
        client.abandon()
    repeated = [each for each in asked if each.tries > 1]
    print(f"rolling update: {len(asked)} requests, {len(repeated)} repeated, fewest pods {fewest}")
    assert fewest >= 5
    assert not [each for each in asked if each.answer is None]
    assert not repeated, repeated[:5]
    assert re.search("1$", str(asked[0].answer)) and re.search("2$", str(asked[-1].answer))
