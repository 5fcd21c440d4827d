"""A cluster on the lab's machines, by `kprov up`, and the kubectls that real people have."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance_cluster import LABEL, AcceptanceCluster, Kubectl, eventually, own_namespace
from changed_volumes import start_and_change
from debian_12_kubectl import debian_12_kubectl
from lab_machines import LabMachines

from kprov.provision.bundle import Bundle
from kprov.provision.bundle.build import build
from kprov.provision.bundle.bundle import default_directory

NEWEST = str(Path(sys.executable).with_name("kubectl"))


def _what_is_missing(lab: LabMachines, kubectl: Kubectl) -> str | None:
    """None when the cluster answers, complete and with the daemons of this checkout."""
    if not kubectl.kubeconfig.exists() or kubectl.run("get", "--raw=/readyz", "--request-timeout=5s").returncode:
        return "the API does not answer"
    ready = kubectl.run("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=150s")
    if ready.stdout.count("condition met") != len(lab.layout.machines):
        return f"not every node is ready: {ready.stderr}"
    if os.environ.get("KPROV_TEST_ANY_RELEASE"):
        return None  # while others work on the same checkout
    build(default_directory())
    wanted = Bundle.open().release_for("12").version
    for machine in lab.layout.machines:
        if wanted not in lab.run(machine.name, "readlink /opt/kprov/current"):
            return f"{machine.name} has another release than {wanted}"
    return None


@pytest.fixture(scope="session")
def cluster(lab: LabMachines) -> Iterator[AcceptanceCluster]:
    """The cluster on the lab's machines, brought up to date, or a new one, which goes with the lab."""
    kubeconfig = lab.inventory.parent / ".kprov" / lab.layout.name / "admin.kubeconfig"
    kubectl = Kubectl(NEWEST, kubeconfig)
    if _what_is_missing(lab, kubectl) is not None:
        kprov = str(Path(sys.executable).with_name("kprov"))
        subprocess.run([kprov, "up", str(lab.inventory), "--no-verify"], check=True, stdin=subprocess.DEVNULL)
    assert _what_is_missing(lab, kubectl) is None
    made = AcceptanceCluster(lab, kubeconfig, kubectl)
    yield made
    eventually(
        "namespaces of tests are gone",  # those that a killed run left Active are not waited for
        lambda: "Terminating" not in kubectl("get", "namespaces", "-l", LABEL),
    )


@pytest.fixture
def namespace(cluster: AcceptanceCluster) -> Iterator[str]:
    """A namespace of the test's own."""
    with own_namespace(cluster) as name:
        yield name


@pytest.fixture(params=["newest", "debian12"])
def kubectl(request: pytest.FixtureRequest, cluster: AcceptanceCluster, namespace: str) -> Kubectl:
    """Each kubectl in turn, in the test's namespace."""
    program = NEWEST if request.param == "newest" else debian_12_kubectl()
    return Kubectl(program, cluster.kubeconfig, namespace)


@pytest.fixture
def kube(cluster: AcceptanceCluster, namespace: str) -> Kubectl:
    """The newest kubectl, in the test's namespace."""
    return Kubectl(NEWEST, cluster.kubeconfig, namespace)


@pytest.fixture(scope="session")
def changed_volumes(cluster: AcceptanceCluster) -> Iterator[Kubectl]:
    """A pod whose volumes have changed: its kubelet takes a minute to look, in which the tests that begin it run."""
    with own_namespace(cluster) as name:
        kube = Kubectl(NEWEST, cluster.kubeconfig, name)
        start_and_change(kube)
        yield kube
