"""A control plane for all tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kprov.lab.control_plane.plane import ControlPlane, control_plane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and an API server."""
    with control_plane(tmp_path_factory.mktemp("control-plane"), daemons=("kube-apiserver",)) as started:
        yield started


class Kubectl:
    """Runs kubectl as an administrator."""

    def __init__(self, plane: ControlPlane) -> None:
        self._program = str(Path(sys.executable).with_name("kubectl"))
        self._environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig())}

    def __call__(self, *words: str, stdin: str = "", ok: bool = True) -> str:
        """Its output; of a command that must fail, its errors."""
        done = subprocess.run(
            [self._program, *words], input=stdin, env=self._environment, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode == 0) is ok, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout if ok else done.stderr


@pytest.fixture(scope="session")
def kubectl(plane: ControlPlane) -> Kubectl:
    """kubectl, with the account that pods need."""
    run = Kubectl(plane)
    run("create", "serviceaccount", "default")
    return run
