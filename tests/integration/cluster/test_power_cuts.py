"""A worker loses its power: what clients of a Service and of the API notice, and that everything comes back."""

from __future__ import annotations

import threading
import time

from acceptance_cluster import AcceptanceCluster, Kubectl, eventually
from kubernetes import client, config
from manifests import config_map, service, web_deployment
from steady_client import SteadyClient

SOON_GONE = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    for key in ("not-ready", "unreachable")
]


class Writer:
    """Writes to the API all the time, and notes the longest pause and the refusals."""

    def __init__(self, kube: Kubectl) -> None:
        self.longest, self.refused, self.done = 0.0, list[str](), 0
        self._namespace, self._stop = kube.namespace, threading.Event()
        self._api = client.CoreV1Api(config.new_client_from_config(str(kube.kubeconfig)))
        self._api.create_namespaced_config_map(self._namespace, config_map("written"))
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        while not self._stop.wait(0.1):
            began = time.monotonic()
            try:
                change = {"data": {"at": str(began)}}
                self._api.patch_namespaced_config_map("written", self._namespace, change, _request_timeout=20)
            except Exception as error:
                self.refused.append(str(error))
            self.longest = max(self.longest, time.monotonic() - began)
            self.done += 1

    def stop(self) -> None:
        """No further writes."""
        self._stop.set()
        self._thread.join()
        self._api.api_client.close()


def test_a_worker_without_power(cluster: AcceptanceCluster, kube: Kubectl) -> None:
    kube.apply(web_deployment(tolerations=SOON_GONE), service("web"))
    kube("rollout", "status", "deployment/web", "--timeout=150s")
    assert {each["spec"]["nodeName"] for each in kube.pods("app=web")} == {"w1", "w2"}
    address = kube.json("get", "service", "web")["spec"]["clusterIP"]
    visitor = SteadyClient(cluster, "cp3", f"http://{address}/", patience=1)
    writer = Writer(kube)
    try:
        began = time.monotonic()
        cluster.lab.stop("w1")
        ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        eventually("NotReady", lambda: kube("get", "node", "w1", "-o", ready) == "Unknown")
        noticed = time.monotonic() - began
        slices = "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].nodeName}"
        eventually(
            "no endpoint on w1",
            lambda: "w1" not in kube("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", slices),
        )
        forgotten = time.monotonic() - began
        count = "jsonpath={.status.availableReplicas}"
        eventually("six pods elsewhere", lambda: kube("get", "deployment", "web", "-o", count) == "6")
        elsewhere = time.monotonic() - began
        asked = visitor.stop()
        writer.stop()
        cluster.lab.start("w1")
        back = time.monotonic()
        kube("wait", "--for=condition=Ready", "node/w1", "--timeout=150s")
        took = time.monotonic() - back
        eventually(
            "no pod of before the cut",
            lambda: len(kube.json("get", "pods", "-l", "app=web")["items"]) == 6,
        )
    finally:
        visitor.abandon()
        writer.stop()
        cluster.lab.start("w1")
    failed = [each for each in asked if each.answer is None]
    slow = [each for each in asked if each.tries > 1]
    last = max((each.at for each in slow), default=0.0)
    print(
        f"worker without power: NotReady after {noticed:.1f} s, no endpoints after {forgotten:.1f} s, pods elsewhere"
        f" after {elsewhere:.1f} s, ready {took:.1f} s after sshd; {len(asked)} requests, {len(slow)} repeated, last at"
        f" {last:.1f} s, {len(failed)} failed three times; {writer.done} writes, {len(writer.refused)} refused,"
        f" the longest took {writer.longest:.2f} s"
    )
    assert not writer.refused and writer.longest < 5
    # Half of the endpoints were dead: had the proxies not heard of it, half of these would have been repeated.
    late = [each for each in asked if each.at > forgotten + 3]
    again = [each for each in late if each.tries > 1]
    assert len(again) < max(2, len(late) / 10) and not set(again) & set(failed), again
    assert len(failed) < len(asked) / 4
    assert elsewhere < 80
