"""A kubelet process against a private containerd and a stand-in API, in namespaces of their own."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_api import FakeApi
from private_runtime import PrivateRuntime

CLONE_NEWNET = 0x40000000
NODE_IP = "192.0.2.10"
CGROUP = f"kprov-test-{os.getpid()}"
IMAGE = "registry.kprov.local/busybox:1"


@pytest.fixture(scope="module")
def runtime() -> Iterator[PrivateRuntime]:
    """A containerd; the tests' own sockets are in its network namespace while it lives.

    One a module, not one a session: the whole process of the tests is in there, and other folders' tests would be too.
    """
    if os.geteuid() != 0 or not shutil.which("containerd") or not shutil.which("runc"):
        pytest.fail("the kubelet's tests need root, containerd and runc: apt-get install containerd runc")
    folder = Path(tempfile.mkdtemp(prefix="kprov-kubelet-", dir=os.environ.get("KPROV_TEST_DIRECTORY")))
    found = PrivateRuntime(folder / "rt")
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        found.start()
        there = os.open(f"/proc/{found.holder}/ns/net", os.O_RDONLY)
        _enter(there)
        os.close(there)
        yield found
    finally:
        _enter(home)
        os.close(home)
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)
        for group in Path("/sys/fs/cgroup").glob(f"**/{CGROUP}"):
            for inner, _, _ in os.walk(group, topdown=False):
                Path(inner).rmdir()


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Machine:
    """A kubelet that can be stopped and started again."""

    def __init__(self, runtime: PrivateRuntime, api: FakeApi, folder: Path) -> None:
        self.runtime, self.api, self.folder = runtime, api, folder
        self.root = folder / "root"
        self.process: subprocess.Popen[bytes] | None = None
        self.bootstrap = False  # join with a bootstrap kubeconfig first
        self.config: dict[str, Any] = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": True}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupRoot": f"/{CGROUP}",
            "clusterDomain": "cluster.local",
            "clusterDNS": ["10.96.0.10"],
            "failSwapOn": False,
            "evictionHard": {"memory.available": "10Mi"},
            "containerRuntimeEndpoint": f"unix://{runtime.socket}",
            "syncFrequency": "2s",
        }

    def start(self) -> None:
        """Start the kubelet."""
        (self.folder / "config.yaml").write_text(json.dumps(self.config))
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.api.port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        known = self.folder / ("bootstrap-kubeconfig" if self.bootstrap else "kubeconfig")
        known.write_text(json.dumps(kubeconfig))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.runtime.inside(
                    [
                        *(sys.executable, "-m", "kprov.kube.kubelet.main"),
                        *(
                            "--config",
                            str(self.folder / "config.yaml"),
                            "--kubeconfig",
                            str(self.folder / "kubeconfig"),
                        ),
                        *("--root-dir", str(self.root), "--cert-dir", str(self.folder / "pki")),
                        *("--hostname-override", "node-a", "--node-ip", NODE_IP),
                        *(["--bootstrap-kubeconfig", str(known)] if self.bootstrap else []),
                    ]
                ),
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> Path:
        """What the kubelet says."""
        return self.folder / "kubelet.log"

    def stop(self, *, kill: bool = False) -> None:
        """Stop the kubelet; containers go on."""
        if self.process:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(20)
            self.process = None

    def ran(self, text: str) -> bool:
        """Whether the kubelet's log has this text."""
        return text in self.log.read_text()


@pytest.fixture
async def api(runtime: PrivateRuntime) -> AsyncIterator[FakeApi]:
    """A stand-in API with what every pod may need."""
    found = FakeApi()
    await found.start()
    found.create(
        "/api/v1/namespaces/default/services",
        {
            "metadata": {"name": "kubernetes"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]},
        },
    )
    yield found
    await found.stop()


@pytest.fixture
async def machine(runtime: PrivateRuntime, api: FakeApi, tmp_path: Path) -> AsyncIterator[Machine]:
    """A registered node."""
    found = Machine(runtime, api, tmp_path)
    found.start()
    try:
        await api.until(lambda: found.ran("] ready"), "the kubelet to be ready")
        yield found
        for path in [path for path in api.objects if "/pods/" in path]:
            api.delete_pod(path.rsplit("/", 1)[1], 1)
        await api.until(lambda: not runtime.containers(), "all containers to be gone")
    except BaseException:
        print(found.log.read_text()[-4000:])
        raise
    finally:
        found.stop()
        for container in runtime.containers():
            runtime.remove(container)
