"""What acceptance tests do with a running cluster: kubectl of some version, and waiting for a condition."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab_machines import LabMachines

T = TypeVar("T")
IMAGE = "registry.kprov.local/busybox"
LABEL = "kprov.test=acceptance"
# Seconds: far more than anything here takes, as the computer may be busy, and far less than for ever.
PATIENCE = 120.0


def eventually(what: str, look: Callable[[], T | None], *, within: float = PATIENCE) -> T:
    """Call ``look`` until it returns something true; fail with what was missing and what it said last."""
    end, last = time.monotonic() + within, "nothing"
    while True:
        try:
            found = look()
            if found:
                return found
            last = repr(found)
        except AssertionError as error:
            last = str(error)
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {within:.0f} s; last: {last}")
        time.sleep(0.2)


@dataclass(frozen=True)
class Kubectl:
    """One version of kubectl, speaking to one cluster, in one namespace."""

    program: str
    kubeconfig: Path
    namespace: str = "default"

    def line(self, *words: str) -> list[str]:
        """The command line."""
        # What one version remembers of a server (which versions it prefers, say) is not for another version.
        cache = self.kubeconfig.parent / "kubectl-cache" / self.program.strip("/").replace("/", "-")
        return [
            self.program,
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={cache}",
            f"--namespace={self.namespace}",
            *words,
        ]

    def run(
        self, *words: str, given: str | None = None, within: float = 2 * PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Run it, whatever it ends with."""
        standard_input: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        return subprocess.run(self.line(*words), capture_output=True, text=True, timeout=within, **standard_input)

    def __call__(self, *words: str, given: str | None = None, within: float = 2 * PATIENCE) -> str:
        """Run it; fail with its errors. Returns what it printed."""
        done = self.run(*words, given=given, within=within)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout

    def json(self, *words: str) -> Any:
        """What it prints with -o json, parsed."""
        return json.loads(self(*words, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> str:
        """Apply objects, all at once."""
        return self("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def pods(self, selector: str = "") -> list[dict[str, Any]]:
        """The pods of the namespace that are not on their way out."""
        found = self.json("get", "pods", "-l", selector)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def phase(self, pod: str) -> str:
        """A pod's phase."""
        return self("get", "pod", pod, "-o", "jsonpath={.status.phase}")


@dataclass(frozen=True)
class AcceptanceCluster:
    """A cluster that is up, on the lab's machines."""

    lab: LabMachines
    kubeconfig: Path
    kubectl: Kubectl
    """The newest kubectl."""

    def machines(self) -> list[str]:
        """The machines' names."""
        return [machine.name for machine in self.lab.layout.machines]

    def address(self, machine: str) -> str:
        """The machine's own address."""
        return str(self.lab.layout.machine(machine).address)


@contextmanager
def own_namespace(cluster: AcceptanceCluster) -> Iterator[str]:
    """A namespace with its service account; at the end it goes while the next test runs."""
    name = f"accept-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, LABEL)
    eventually(
        "the namespace has its account",
        lambda: cluster.kubectl.run("get", "serviceaccount", "default", "-n", name).returncode == 0,
    )
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")
