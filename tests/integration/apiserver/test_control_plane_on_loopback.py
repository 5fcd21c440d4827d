"""`./dev control-plane`: up, env and down, by separate processes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


def _run(folder: Path, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kprov.lab.control_plane", verb, f"--dir={folder}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize("suite", [(), ("--kubectl-suite",)], ids=["cluster", "kubectl-suite"])
def test_it_comes_up_and_goes(tmp_path: Path, suite: tuple[str, ...]) -> None:
    folder = tmp_path / "plane"
    assert "start one with" in _run(folder, "env").stderr
    up = _run(folder, "up", *suite)
    try:
        assert up.returncode == 0, up.stderr
        took = re.search(r"ready after ([\d.]+) s", up.stderr)
        assert took and float(took[1]) < 15  # 2 s on an idle machine
        kubeconfig = up.stdout.strip()
        assert f'export KUBECONFIG="{kubeconfig}"' in _run(folder, "env").stdout
        kubectl = [str(Path(sys.executable).with_name("kubectl")), f"--kubeconfig={kubeconfig}"]
        for words in (["create", "deployment", "web", "--image=x"], ["rollout", "history", "deployment/web"]):
            subprocess.run([*kubectl, *words], check=True, capture_output=True)
        assert "token: " in Path(kubeconfig).read_text()
        # only with upstream's tests in mind is everybody allowed everything
        allowed = subprocess.run([*kubectl, "auth", "can-i", "delete", "nodes", "--as=nobody"], capture_output=True)
        assert (allowed.returncode == 0) is bool(suite)
        again = _run(folder, "up", *suite)
        assert again.returncode == 1 and "runs already" in again.stderr
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            assert (folder / f"{name}.pid").exists()
    finally:
        assert _run(folder, "down").returncode == 0
    assert not list(folder.glob("*.pid"))
    assert _run(folder, "down").returncode == 0


def test_a_daemon_that_ends_is_named_with_its_last_words(tmp_path: Path) -> None:
    up = _run(tmp_path, "up", "--no-such-flag=1")
    assert up.returncode == 1
    assert "kube-apiserver ended" in up.stderr and "--no-such-flag" in up.stderr
    assert not list(tmp_path.glob("*.pid"))
