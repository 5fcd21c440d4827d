"""What the tests of operations do with their cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from own_cluster import Ended, OwnCluster, Run

from kprov.provision.kubeapi.client import ClusterApi
from kprov.provision.kubeapi.credentials import read_kubeconfig

KPROV = str(Path(sys.executable).with_name("kprov"))
ETCDCTL = ". /etc/profile.d/kprov-etcdctl.sh; etcdctl "


@dataclass(frozen=True)
class StandingCluster:
    """A cluster that is up."""

    own: OwnCluster

    @property
    def state(self) -> Path:
        """The controller's folder."""
        return self.own.inventory.parent / "state"

    def start(self, *words: str) -> Run:
        """Begin a command."""
        return Run(
            subprocess.Popen(
                [KPROV, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "KPROV_INVENTORY": str(self.own.inventory)},
            )
        )

    def kprov(self, *words: str) -> Ended:
        """A command, to its end."""
        return self.start(*words).end()

    def fine(self, *words: str) -> str:
        """A command that ends well. Returns what it said."""
        done = self.kprov(*words)
        assert done.code == 0, done.output
        return done.output

    def json(self, *words: str) -> dict[str, Any]:
        """The last object that a command with --output json prints."""
        found: dict[str, Any] = json.loads(self.kprov(*words, "--output", "json").output.strip().splitlines()[-1])
        return found

    def run(self, name: str, command: str) -> str:
        """A shell command on a machine."""
        return self.own.run(name, command)

    def processes(self, name: str, *units: str) -> dict[str, str]:
        """By unit of a machine: the id of its process."""
        shown = self.run(name, f"systemctl show -p MainPID --value {' '.join(units)}")
        return dict(zip(units, shown.split(), strict=True))

    def restarted(self, name: str, before: dict[str, str]) -> set[str]:
        """The units that have another process now, but for one that ended with the words that its lease was lost.

        Scheduler and controller manager do that, as upstream's, when a busy computer renews it too late.
        """
        after = self.processes(name, *before)
        others = {unit: process for unit, process in before.items() if after[unit] != process}
        words = {unit: self.run(name, f"journalctl -o cat _PID={process}") for unit, process in others.items()}
        return {unit for unit, said in words.items() if "lost the lease" not in said}

    def api(self, *names: str) -> ClusterApi:
        """The API, over the API servers of these machines or of all, as a client that goes on while one answers."""
        machines = [each for each in self.own.machines.layout.machines if not names or each.name in names]
        servers = [f"https://{machine.address}:6443" for machine in machines if "control_plane" in machine.groups]
        return ClusterApi(servers, read_kubeconfig(self.state / "admin.kubeconfig"), timeout=5)

    def put(self, name: str) -> None:
        """Make a ConfigMap."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"of": name}}
        self.api().request("POST", "/api/v1/namespaces/default/configmaps", body=body)

    def config_maps(self) -> set[str]:
        """The names of the ConfigMaps of the namespace default."""
        found = self.api().request("GET", "/api/v1/namespaces/default/configmaps")["items"]
        return {item["metadata"]["name"] for item in found}


def soon(what: str, look: Callable[[], bool], within: float = 120.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"{what}: not within {within:.0f} s"
        time.sleep(0.2)
