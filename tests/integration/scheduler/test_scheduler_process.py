"""kube-scheduler as a process against kprov's API server and etcd, seen through kubectl."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kprov.lab.control_plane.plane import ControlPlane, control_plane, free_ports

LEASE_SECONDS = 8
# So long that only a lease that was given back lets another one begin while `until` waits.
LONG_LEASE_SECONDS = 600
RUN = "from kprov.kube.scheduler.main import main; main()"


def lease(seconds: int) -> tuple[str, ...]:
    """Flags for a lease of so many seconds, for which others ask twice a second."""
    return (
        f"--leader-elect-lease-duration={seconds}s",
        f"--leader-elect-renew-deadline={seconds - 1}s",
        "--leader-elect-retry-period=500ms",
    )


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Wait for something to be true; returns it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still missing after {seconds:g} s: {what}"
        time.sleep(0.05)
    return found


class Cluster:
    """A control plane, kubectl, and schedulers that end with the test."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.schedulers: list[subprocess.Popen[bytes]] = []

    def kubectl(self, *words: str, stdin: str = "") -> str:
        kubectl = Path(sys.executable).with_name("kubectl")
        command = [str(kubectl), f"--kubeconfig={self.plane.kubeconfig()}", *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def node(self, name: str, cpu: str = "4", **spec: Any) -> None:
        labels = {"kubernetes.io/hostname": name}
        given = {"cpu": cpu, "memory": "8Gi", "pods": "110"}
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
        status = {"status": {"allocatable": given, "capacity": given}}
        self.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps(status))
        self.kubectl("patch", "node", name, "--type=merge", "-p", json.dumps({"spec": {"taints": None, **spec}}))

    def pod(self, name: str, cpu: str = "100m", **spec: Any) -> None:
        container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
        body = {"containers": [container], "automountServiceAccountToken": False, **spec}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body})

    def node_of(self, name: str) -> str:
        return self.kubectl("get", "pod", name, "-o", "jsonpath={.spec.nodeName}")

    def messages(self, name: str) -> list[str]:
        events = json.loads(self.kubectl("get", "events", "-o", "json"))["items"]
        return [event["message"] for event in events if event["involvedObject"]["name"] == name]

    def scheduler(self, *flags: str) -> tuple[subprocess.Popen[bytes], int]:
        (port,), pki = free_ports(1), self.plane.pki
        kubeconfig = self.plane.kubeconfig("scheduler")
        words = [
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--profiling=false",
            *(flags or lease(LEASE_SECONDS)),
        ]
        log = (self.plane.folder / f"scheduler-{port}.log").open("ab")
        process = subprocess.Popen([sys.executable, "-c", RUN, *words], stdout=log, stderr=log)
        self.schedulers.append(process)
        until(lambda: self.read(port, "/readyz")[0] == 200, f"scheduler ready: {log.name}")
        return process, port

    def read(self, port: int, path: str, identity: str = "") -> tuple[int, str]:
        context = ssl.create_default_context(cafile=str(self.plane.pki / "ca.crt"))
        if identity:
            context.load_cert_chain(self.plane.pki / f"{identity}.crt", self.plane.pki / f"{identity}.key")
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}{path}", context=context, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def leader(self) -> str:
        lease = ("get", "lease", "kube-scheduler", "-n", "kube-system", "-o", "jsonpath={.spec.holderIdentity}")
        return self.kubectl(*lease)

    def stop(self) -> None:
        for process in self.schedulers:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with control_plane(tmp_path, daemons=("kube-apiserver",)) as plane:
        made = Cluster(plane)
        try:
            made.kubectl("create", "serviceaccount", "default")
            yield made
        finally:
            made.stop()


def test_pods_get_nodes_or_reasons(cluster: Cluster) -> None:
    process, port = cluster.scheduler()
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    for number in range(3):
        cluster.node(f"m{number}", taints=[taint])
    for name in ("a", "b"):
        cluster.node(name)
    cluster.pod("small")
    until(lambda: cluster.node_of("small") in ("a", "b"), "small has a node")
    until(
        lambda: f"Successfully assigned default/small to {cluster.node_of('small')}" in cluster.messages("small"),
        "told",
    )
    cluster.pod("big", cpu="8")
    expected = (
        "0/5 nodes are available: 2 Insufficient cpu, 3 node(s) had untolerated taint "
        "{node-role.kubernetes.io/control-plane: }. preemption: 0/5 nodes are available: "
        "5 Preemption is not helpful for scheduling."
    )
    until(lambda: expected in cluster.messages("big"), "the reason as an event")
    condition = "jsonpath={.status.conditions[?(@.type=='PodScheduled')]}"
    said = json.loads(cluster.kubectl("get", "pod", "big", "-o", condition))
    assert (said["status"], said["reason"], said["message"]) == ("False", "Unschedulable", expected)
    cluster.node("c", cpu="16")
    until(lambda: cluster.node_of("big") == "c", "big has the new node")

    assert cluster.read(port, "/healthz") == (200, "ok")
    assert cluster.read(port, "/metrics")[0] == 403
    placed = 'scheduler_schedule_attempts_total{profile="default-scheduler",result="scheduled"} 2'
    assert placed in cluster.read(port, "/metrics", "admin")[1]
    words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    assert words[0] == b"kube-scheduler"
    assert b"--profiling=false" in words
    assert Path(f"/proc/{process.pid}/comm").read_text() == "kube-scheduler\n"
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    assert pss <= 75 * 1024


def test_a_more_important_pod_takes_a_place(cluster: Cluster) -> None:
    cluster.scheduler()
    cluster.apply(
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000}
    )
    cluster.node("a", cpu="1")
    cluster.pod("low", cpu="1", terminationGracePeriodSeconds=0)
    until(lambda: cluster.node_of("low"), "low has the node")
    cluster.pod("high", cpu="1", priorityClassName="high")
    until(lambda: cluster.node_of("high") == "a", "high has the node")
    assert any(message.startswith("Preempted by pod ") for message in cluster.messages("low"))


@pytest.mark.parametrize(("end", "seconds"), [(signal.SIGTERM, LONG_LEASE_SECONDS), (signal.SIGKILL, LEASE_SECONDS)])
def test_another_scheduler_takes_over(cluster: Cluster, end: signal.Signals, seconds: int) -> None:
    cluster.node("a")
    first, _ = cluster.scheduler(*lease(seconds))
    leader = until(cluster.leader, "a leader")
    cluster.scheduler(*lease(seconds))
    assert cluster.leader() == leader
    first.send_signal(end)
    first.wait(60)
    if end is signal.SIGTERM:
        assert first.returncode == 0
    cluster.pod("p")
    until(lambda: cluster.node_of("p"), "p has a node")
    assert cluster.leader() != leader


def test_the_api_server_may_go_and_come_back(cluster: Cluster) -> None:
    cluster.scheduler()
    cluster.node("a")
    cluster.pod("before")
    until(lambda: cluster.node_of("before"), "before has a node")
    cluster.plane.process("kube-apiserver").stop(signal.SIGKILL)
    cluster.plane.start_daemon("kube-apiserver")
    cluster.plane.wait_ready()
    cluster.pod("after")
    until(lambda: cluster.node_of("after"), "after has a node")
    until(lambda: any("Successfully assigned" in m for m in cluster.messages("after")), "told")


def test_a_flag_that_is_not_implemented_is_refused(cluster: Cluster) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, "--policy-config-file=x"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--policy-config-file is a kube-scheduler flag that kprov does not implement" in done.stderr
