"""A control plane for all tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hook_server import Hooks

from kprov.lab.control_plane.plane import ControlPlane, control_plane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and an API server."""
    with control_plane(tmp_path_factory.mktemp("control-plane"), daemons=("kube-apiserver",)) as started:
        yield started


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Hooks]:
    """A server of webhooks."""
    made = Hooks(tmp_path)
    yield made
    made.hold.set()
    made.server.shutdown()
    made.server.server_close()


class Kubectl:
    """Runs kubectl as an administrator."""

    def __init__(self, plane: ControlPlane) -> None:
        self._program = str(Path(sys.executable).with_name("kubectl"))
        self._kubeconfig = plane.kubeconfig()

    def line(self, *words: str) -> list[str]:
        """The command line."""
        return [self._program, f"--kubeconfig={self._kubeconfig}", *words]

    def __call__(self, *words: str, stdin: str = "", ok: bool = True) -> str:
        """Its output; of a command that must fail, its errors."""
        done = subprocess.run(self.line(*words), input=stdin, capture_output=True, text=True, timeout=240)
        assert (done.returncode == 0) is ok, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout if ok else done.stderr


@pytest.fixture(scope="session")
def kubectl(plane: ControlPlane) -> Kubectl:
    """kubectl, with the account that pods need."""
    run = Kubectl(plane)
    run("create", "serviceaccount", "default")
    return run
