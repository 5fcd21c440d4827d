"""What a run of `kprov up` promises besides the cluster: nothing to do is nothing done, and each way to end has a word.

The tests share one small cluster and stand in the order in which a cluster lives.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_cluster import Ended, OwnCluster, leftovers, own_cluster

# All that a run may change: files, packages, units, settings of the kernel. Not what machines write by themselves.
STATE = (
    "find /etc /opt /usr /root /var/lib /var/cache/kprov -xdev -path /var/lib/systemd -prune -o "
    "-path '*/__pycache__*' -prune -o -printf '%p %y %m %U:%G %s %T@ %l\\n' 2>/dev/null | sort; "
    "dpkg-query -W; systemctl list-unit-files --no-legend; sysctl -a 2>/dev/null | grep -E 'forward|vm.overcommit'"
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnCluster]:
    """Two machines without a cluster."""
    with own_cluster(tmp_path_factory.mktemp("runs"), lab="runs", subnet="10.93.0.0/24") as machines:
        yield machines


@pytest.fixture(scope="module")
def first_up(bare: OwnCluster) -> Ended:
    """The first `kprov up`."""
    return bare.kprov("up", "--no-verify", "--output", "json")


@pytest.fixture
def cluster(bare: OwnCluster, first_up: Ended) -> OwnCluster:
    """The machines, a cluster."""
    assert first_up.code == 0, first_up.output
    return bare


def state(machines: OwnCluster, *names: str) -> dict[str, list[str]]:
    """What there is on machines that a run could change."""
    return {name: machines.run(name, STATE).splitlines() for name in names or machines.names}


def nothing_changes(cluster: OwnCluster, verb: str = "up") -> None:
    """A run finds nothing to do."""
    ended = cluster.kprov(verb, "--output", "json", *(["--no-verify"] if verb == "up" else []))
    assert ended.code == 0, ended.output
    assert set(ended.counts("changed").values()) == {0}, ended.output


def test_a_plan_for_bare_machines_changes_nothing(bare: OwnCluster) -> None:
    before = state(bare)
    planned = bare.kprov("plan")
    assert planned.code == 0, planned.output
    assert state(bare) == before
    assert leftovers(bare) == {}
    assert not (bare.inventory.parent / "state/pki").exists()


def test_the_summary_counts_each_machine(bare: OwnCluster, first_up: Ended) -> None:
    assert first_up.code == 0, first_up.output
    assert first_up.summary["event"] == "summary" and first_up.summary["exit_code"] == 0
    assert set(first_up.summary["hosts"]) == set(bare.names)
    for counts in first_up.summary["hosts"].values():
        assert counts["changed"] > 20 and counts["ok"] > 0
        assert counts["failed"] == 0 and not counts["unreachable"]


def test_a_finished_cluster_has_nothing_to_do(cluster: OwnCluster) -> None:
    nothing_changes(cluster)
    nothing_changes(cluster, "plan")
    assert leftovers(cluster) == {}


def test_drift_is_shown_and_mended(cluster: OwnCluster) -> None:
    cluster.run("w1", "sed -i 's/^/# /' /var/lib/kubelet/config.yaml; systemctl stop kube-proxy")
    planned = cluster.kprov("plan", "--diff")
    assert "kubelet: Configuration" in planned.output and "kube-proxy: Runs now" in planned.output, planned.output
    assert cluster.run("w1", "systemctl is-active kube-proxy || true").strip() == "inactive"
    mended = cluster.kprov("up", "--no-verify")
    assert mended.code == 0, mended.output
    assert cluster.run("w1", "systemctl is-active kube-proxy kubelet").split() == ["active", "active"]
    nothing_changes(cluster)


def test_a_plan_mends_what_it_shows_and_nothing_else(cluster: OwnCluster, tmp_path: Path) -> None:
    plan = str(tmp_path / "p.plan")
    cluster.run("w1", "sed -i 's/^/# /' /var/lib/kubelet/config.yaml; systemctl stop kube-proxy")
    planned = cluster.kprov("plan", "-o", plan)
    assert planned.code == 0 and "3 changes on 1 machine" in planned.output, planned.output
    cluster.run("cp1", "systemctl stop kprov-node")
    refused = cluster.kprov("up", "--no-verify", "--plan", plan)
    assert refused.code == 6 and "cp1: kprov-node: Runs now" in refused.output, refused.output
    cluster.run("cp1", "systemctl start kprov-node")
    mended = cluster.kprov("up", "--no-verify", "--plan", plan, "--output", "json")
    assert mended.code == 0 and mended.counts("changed") == {"cp1": 0, "w1": 3}, mended.output
    assert cluster.run("w1", "systemctl is-active kube-proxy kubelet").split() == ["active", "active"]
    nothing_changes(cluster)


def test_daemons_that_a_killed_run_left_with_the_old_release_are_restarted(cluster: OwnCluster) -> None:
    pids = "systemctl show --property=MainPID --value kubelet kube-proxy kprov-node etcd haproxy"
    before = cluster.run("cp1", pids).split()
    # what a run does that is killed right after it: the link in its place anew, a new certificate
    cluster.run("cp1", "cp -P /opt/kprov/current /opt/kprov/c && mv -T /opt/kprov/c /opt/kprov/current")
    ended = cluster.kprov("up", "--no-verify", "--output", "json")
    assert ended.code == 0 and ended.counts("changed") == {"cp1": 6, "w1": 0}, ended.output
    after = cluster.run("cp1", pids).split()
    assert [old != new for old, new in zip(before, after, strict=True)] == [True, True, True, False, False]
    nothing_changes(cluster)


def test_ctrl_c(cluster: OwnCluster) -> None:
    run = cluster.start("up", "--no-verify")
    assert run.read_until("Prepare the machines")
    ended = run.end(signal.SIGINT)
    assert ended.code == 130, ended.output
    assert "interrupted; the same command goes on" in ended.output and "Traceback" not in ended.output
    nothing_changes(cluster)


def test_two_runs_at_once(cluster: OwnCluster) -> None:
    first = cluster.start("up", "--no-verify")
    assert first.read_until("Prepare the machines")
    first.process.send_signal(signal.SIGSTOP)
    try:
        second = cluster.kprov("up", "--no-verify")
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert second.code == 5, second.output
    assert "locked by" in second.output and " since 20" in second.output
    ended = first.end()
    assert ended.code == 0, ended.output


def test_a_machine_that_is_down(cluster: OwnCluster) -> None:
    cluster.machines.stop("w1")
    try:
        cluster.run("cp1", "chmod 700 /etc/kubernetes/pki")
        ended = cluster.kprov("up", "--no-verify")
        assert ended.code == 3 and "w1: " in ended.output, ended.output
        assert cluster.run("cp1", "stat -c %a /etc/kubernetes/pki").strip() == "700", "the others are left alone"
        ended = cluster.kprov("up", "--no-verify", "--only-answering", "--output", "json")
        assert ended.code == 3, ended.output
        assert ended.summary["hosts"]["w1"]["unreachable"] and ended.counts("changed")["cp1"] == 1
    finally:
        cluster.machines.start("w1")
    nothing_changes(cluster)


def test_a_machine_that_vanishes(cluster: OwnCluster) -> None:
    cluster.run("cp1", "systemctl stop kprov-node")
    run = cluster.start("up", "--no-verify")
    assert run.read_until("Prepare the machines")
    run.process.send_signal(signal.SIGSTOP)
    cluster.machines.stop("w1")
    run.process.send_signal(signal.SIGCONT)
    try:
        ended = run.end()
    finally:
        cluster.machines.start("w1")
    assert ended.code == 3, ended.output
    assert "w1: " in ended.output
    assert cluster.run("cp1", "systemctl is-active kprov-node").strip() == "active"
    finished = cluster.kprov("up", "--no-verify")
    assert finished.code == 0, finished.output
    nothing_changes(cluster)
