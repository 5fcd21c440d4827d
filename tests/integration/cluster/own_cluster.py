"""A lab and a cluster of a test's own: for tests that kill kprov, cut power and break machines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from lab_machines import LabMachines

from kprov.lab import lifecycle
from kprov.lab.layout import lay_out
from kprov.lab.state import LabState

KPROV = [str(Path(sys.executable).with_name("kprov"))]
ETCDCTL = (
    "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt "
    "--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key "
)


@dataclass
class Ended:
    """How a run of kprov ended."""

    code: int
    output: str
    seconds: float

    @property
    def summary(self) -> dict[str, Any]:
        """The last line, of a run with --output json."""
        found: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        return found

    def counts(self, name: str) -> dict[str, int]:
        """Each machine's count of that name in the summary."""
        return {host: counts[name] for host, counts in self.summary["hosts"].items()}


@dataclass
class Run:
    """A kprov that runs, its output read as it comes."""

    process: subprocess.Popen[str]
    started: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    def read_until(self, text: str) -> bool:
        """Read lines until one begins with `text`. Returns False when the run ended before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith(text):
                return True
        return False

    def end(self, number: signal.Signals | None = None) -> Ended:
        """Send a signal, if one is given, and read the rest."""
        if number is not None:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=400)
        output = "".join(self.lines) + (rest or "")
        return Ended(self.process.returncode, output, time.monotonic() - self.started)


@dataclass(frozen=True)
class OwnCluster:
    """Machines, and an inventory with a state of its own."""

    machines: LabMachines
    inventory: Path

    @property
    def names(self) -> list[str]:
        """Every machine's name."""
        return [machine.name for machine in self.machines.layout.machines]

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.inventory.parent / "state/admin.kubeconfig"

    def pin(self, name: str, key: str) -> None:
        """Write a machine's new host key into the inventory."""
        data = yaml.safe_load(self.inventory.read_text())
        data["all"]["hosts"][name]["kprov_host_key"] = key
        self.inventory.write_text(yaml.safe_dump(data, sort_keys=False))

    def start(self, *arguments: str) -> Run:
        """Begin a run. It hears Ctrl-C, also where a shell that started the tests in the background had it ignored."""
        verb, *rest = arguments
        return Run(
            subprocess.Popen(
                ["env", "--default-signal=INT", *KPROV, verb, str(self.inventory), *rest],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        )

    def kprov(self, *arguments: str) -> Ended:
        """A run, to its end."""
        return self.start(*arguments).end()

    def run(self, name: str, command: str) -> str:
        """A shell command on a machine."""
        return self.machines.run(name, command)


@contextmanager
def own_cluster(
    folder: Path, *, lab: str, subnet: str, control_planes: int = 1, workers: int = 1
) -> Iterator[OwnCluster]:
    """Fresh machines without a cluster; they are gone afterwards."""
    state = LabState(lab)
    lifecycle.down(state)  # of a run that was killed
    wanted = lay_out(name=lab, subnet=subnet, control_planes=control_planes, workers=workers)
    lab_inventory = folder / "lab.yaml"
    try:
        layout = lifecycle.up(state, wanted, lab_inventory)
        data = yaml.safe_load(lab_inventory.read_text())
        data["all"]["vars"]["state_directory"] = str(folder / "state")
        if "KPROV_BUNDLE" in os.environ:
            data["all"]["vars"]["bundle_directory"] = os.environ["KPROV_BUNDLE"]
        inventory = folder / "inventory.yaml"
        inventory.write_text(yaml.safe_dump(data, sort_keys=False))
        yield OwnCluster(LabMachines(state, layout, inventory), inventory)
    finally:
        lifecycle.down(state)


def leftovers(cluster: OwnCluster) -> dict[str, str]:
    """By machine: temporary files of kprov, tokens to join with, locks."""
    find = (
        "find /etc /opt /var/lib /var/cache/kprov -xdev -name '.kprov-*' ! -name .kprov-archives; "
        "ls /etc/kubernetes/bootstrap-kubelet.conf /usr/sbin/policy-rc.d /run/kprov.lock 2>/dev/null; "
        "dpkg --audit; true"
    )
    return {name: found for name in cluster.names if (found := cluster.run(name, find).strip())}


def assert_healthy(cluster: OwnCluster) -> None:
    """Every node is Ready, every etcd member votes and is healthy, nothing is half-done, and nothing is left to do."""
    kubectl = [str(Path(sys.executable).with_name("kubectl")), f"--kubeconfig={cluster.kubeconfig}"]
    shown = subprocess.run([*kubectl, "get", "nodes", "-o", "json"], check=True, capture_output=True, text=True)
    ready = {
        node["metadata"]["name"]
        for node in json.loads(shown.stdout)["items"]
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] == "True"
    }
    assert ready == set(cluster.names)
    etcd = {machine.name for machine in cluster.machines.layout.machines if "etcd" in machine.groups}
    members = json.loads(cluster.run("cp1", ETCDCTL + "member list --write-out=json"))["members"]
    assert {member.get("name") for member in members} == etcd and len(members) == len(etcd)
    assert not any(member.get("isLearner") for member in members)
    health = cluster.run("cp1", ETCDCTL + "endpoint health --cluster 2>&1")
    assert health.count("is healthy") == len(etcd), health
    assert leftovers(cluster) == {}
    again = cluster.kprov("up", "--no-verify", "--output", "json")
    assert again.code == 0, again.output
    assert set(again.counts("changed").values()) == {0}, again.output
    assert again.seconds < 20, again.output
