"""A cluster lives on: nodes are drained, a machine is taken out and comes back, a release comes and goes; reset."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_picture import Picture, differences, picture
from own_cluster import Ended, OwnCluster, Run, own_cluster

from kprov.provision.bundle.bundle import Bundle, default_directory
from kprov.provision.bundle.manifest import DaemonRelease
from kprov.provision.bundle.store import Store

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "registry.kprov.local/busybox:1", command: [sleep, "3600"]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OwnCluster, dict[str, Picture]]]:
    """A control plane and two workers, and what these machines were before."""
    folder = tmp_path_factory.mktemp("daytwo")
    with own_cluster(folder, lab="nodes", subnet="10.97.0.0/24", control_planes=1, workers=2) as made:
        before = {name: picture(lambda line, name=name: made.run(name, line)) for name in made.names}  # type: ignore[misc]
        ended = made.kprov("up", "--no-verify")
        assert ended.code == 0, ended.output
        yield made, before


def _kprov(cluster: OwnCluster, *words: str) -> Ended:
    """A verb that takes the inventory as an option."""
    line = [str(Path(sys.executable).with_name("kprov")), *words, "--inventory", str(cluster.inventory)]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    )
    return Run(process).end()


def _kubectl(cluster: OwnCluster, *words: str, given: str | None = None) -> str:
    line = [KUBECTL, f"--kubeconfig={cluster.kubeconfig}", *words]
    done = subprocess.run(line, input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _unschedulable(cluster: OwnCluster) -> set[str]:
    nodes = json.loads(_kubectl(cluster, "get", "nodes", "-o", "json"))["items"]
    return {node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")}


def test_a_drain_keeps_to_budgets_until_its_deadline(cluster: tuple[OwnCluster, dict[str, Picture]]) -> None:
    made, _ = cluster
    _kubectl(made, "apply", "-f", "-", given=WEB)
    _kubectl(made, "rollout", "status", "deployment/web", "--timeout=150s")
    pods = json.loads(_kubectl(made, "get", "pods", "-l", "app=web", "-o", "json"))["items"]
    where, name = pods[0]["spec"]["nodeName"], pods[0]["metadata"]["name"]
    stopped = _kprov(made, "node", "drain", where, "--timeout", "drain=2s")
    assert stopped.code == 1 and name in stopped.output and "disruption budget" in stopped.output, stopped.output
    assert _kubectl(made, "get", "pod", name, "-o", "name") and _unschedulable(made) == {where}
    deleted = _kprov(made, "node", "drain", where, "--timeout", "drain=2s", "--at-deadline", "delete")
    assert deleted.code == 0, deleted.output
    assert "the deadline is over" in deleted.output or name in deleted.output
    _kubectl(made, "delete", "deployment/web", "pdb/web")
    assert _kprov(made, "node", "uncordon", where).code == 0 and _unschedulable(made) == set()
    again = _kprov(made, "node", "uncordon", where, "--output", "json")
    assert again.code == 0 and '"changed": 1' not in again.output


def test_the_last_machine_of_the_control_plane_stays(cluster: tuple[OwnCluster, dict[str, Picture]]) -> None:
    made, _ = cluster
    refused = _kprov(made, "node", "remove", "cp1", "--yes")
    assert refused.code == 1 and "the last machine of the control plane" in refused.output
    assert _unschedulable(made) == set()


def test_a_machine_is_taken_out_as_it_was_and_comes_back(cluster: tuple[OwnCluster, dict[str, Picture]]) -> None:
    made, before = cluster
    removed = _kprov(made, "node", "remove", "w2", "--yes")
    assert removed.code == 0, removed.output
    assert differences(before["w2"], picture(lambda line: made.run("w2", line))) == []
    assert "node/w2" not in _kubectl(made, "get", "nodes", "-o", "name")
    assert "w2" not in made.run("cp1", "cat /etc/hosts")
    added = _kprov(made, "node", "add", "w2", "--output", "json")
    assert added.code == 0, added.output
    assert added.counts("changed")["w1"] == added.counts("changed")["cp1"] == 1  # their line in /etc/hosts
    _kubectl(made, "wait", "--for=condition=Ready", "node/w2", "--timeout=150s")
    again = made.kprov("up", "--no-verify", "--output", "json")
    assert again.code == 0 and set(again.counts("changed").values()) == {0}, again.output


def _another_bundle(folder: Path, version: str, program: str = "", text: str = "") -> Path:
    """The bundle with its daemons under another release's name, and a program of its own in one place."""
    source = Path(os.environ.get("KPROV_BUNDLE") or default_directory())
    shutil.copytree(source, folder, copy_function=os.link, ignore=shutil.ignore_patterns("cache", ".*"))
    store, manifest = Store(folder), Bundle.open(folder).manifest
    with store.locked():
        for number, release in list(manifest.daemons.items()):
            archives = release.archives
            if program:
                with store.scratch() as scratch:
                    (scratch / "tree/bin").mkdir(parents=True)
                    (scratch / "tree/bin" / program).write_text(text)
                    (scratch / "tree/bin" / program).chmod(0o755)
                    archive = scratch / "changed.tar.gz"
                    subprocess.run(["tar", "-C", str(scratch / "tree"), "-czf", str(archive), "bin"], check=True)
                    archives = (*archives, store.add(archive, f"changed-{number}.tar.gz"))
            manifest.daemons[number] = DaemonRelease(version, archives)
        store.save(manifest)
    return folder


def _releases(cluster: OwnCluster) -> dict[str, str]:
    return {name: cluster.run(name, "basename $(readlink /opt/kprov/current)").strip() for name in cluster.names}


def test_a_release_comes_goes_back_and_a_broken_one_does_not_stay(
    cluster: tuple[OwnCluster, dict[str, Picture]], tmp_path: Path
) -> None:
    made, _ = cluster
    now = _releases(made)
    version = next(iter(now.values())).split("+")[0]
    good = _another_bundle(tmp_path / "good", f"{version}+good")
    upgrade = ("upgrade", "--bundle", str(good))
    _kubectl(made, "apply", "-f", "-", given=WEB)
    _kubectl(made, "rollout", "status", "deployment/web", "--timeout=150s")
    kept = _kprov(made, *upgrade, "--timeout", "drain=2s")  # the budget keeps the pod longer than the deadline
    assert kept.code == 1 and "default/web-" in kept.output and "disruption budget" in kept.output, kept.output
    assert "--at-deadline delete" in kept.output and "given pods as before: w" in kept.output, kept.output
    assert _unschedulable(made) == set()
    assert _releases(made)["cp1"] == f"{version}+good" and now["cp1"] in _releases(made).values()
    _kubectl(made, "delete", "pdb/web", "deployment/web")
    upgraded = _kprov(made, *upgrade)
    assert upgraded.code == 0, upgraded.output
    assert set(_releases(made).values()) == {f"{version}+good"} and _unschedulable(made) == set()
    assert "every machine runs this release" in _kprov(made, "upgrade", "--bundle", str(good)).output
    back = _kprov(made, "upgrade", "--rollback")
    assert back.code == 0 and _releases(made) == now, back.output

    broken = _another_bundle(tmp_path / "broken", f"{version}+broken", "kubelet", "#!/bin/sh\nexit 1\n")
    failed = _kprov(made, "upgrade", "--bundle", str(broken), "--timeout", "ready=20s", "-e", "releases_kept=2")
    assert failed.code == 1 and "back with the release before, and healthy: cp1" in failed.output, failed.output
    assert "Left untouched: w1, w2" in failed.output
    assert set(made.run("cp1", "ls /opt/kprov/releases").split()) == {now["cp1"], f"{version}+broken"}  # "good" is old
    assert _releases(made) == now and _unschedulable(made) == set()
    again = _kprov(made, "upgrade", "--rollback")  # those that it did not reach have nothing to go back to
    assert again.code == 0 and "what it ran before the last upgrade already" in again.output, again.output
    assert _releases(made) == now


def test_reset_leaves_machines_as_they_were(cluster: tuple[OwnCluster, dict[str, Picture]]) -> None:
    made, before = cluster
    made.run("w1", "echo mine > /etc/mine.conf")
    ended = made.kprov("reset", "--yes")
    assert ended.code == 0, ended.output
    made.run("w1", "rm /etc/mine.conf")  # what others put there stayed
    for name in made.names:
        assert differences(before[name], picture(lambda line, name=name: made.run(name, line))) == [], name  # type: ignore[misc]
    again = made.kprov("reset", "--yes", "--output", "json")
    assert again.code == 0 and set(again.counts("changed").values()) == {0}, again.output
