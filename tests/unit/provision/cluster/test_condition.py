"""What is said of a cluster that was looked at: what is wrong, what mends it, and what its next loss would cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kprov.cli.etcd_texts import verdict
from kprov.cli.status_text import answers, explanation, screen
from kprov.provision.cluster.condition.cluster import ClusterState, NodeState
from kprov.provision.cluster.condition.comparison import Comparison
from kprov.provision.cluster.condition.finding import Finding, Severity
from kprov.provision.cluster.condition.judgement import cost_of_loss, is_highly_available, judge
from kprov.provision.cluster.condition.machine import _SCRIPT, MachineState, UnitState
from kprov.provision.cluster.storage.standing import EtcdState, MemberState
from kprov.provision.pki.expiry import ExpiryRow

UNITS = ("etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kubelet")


def unit(name: str, state: str = "active", *, enabled: bool = True) -> UnitState:
    return UnitState(name=name, state=state, is_enabled=enabled, restarts=0, result="success", said="")


def member(name: str, state: str = "follower") -> MemberState:
    healthy = state in ("leader", "follower")
    version = "3.4.23" if healthy else ""
    return MemberState(host=name, state=state, is_healthy=healthy, version=version, revision=7)


def cluster(count: int = 3) -> ClusterState:
    """A cluster that is well."""
    names = [f"cp{number}" for number in range(1, count + 1)]
    groups = ["etcd", "control_plane", "node"]
    return ClusterState(
        name="demo",
        taken="2026-01-01T00:00:00Z",
        machines=[
            MachineState(
                name=n, groups=groups, answers=True, release="1", units=[unit(u) for u in UNITS], disks={"/": 40}
            )
            for n in names
        ],
        etcd=EtcdState(members=[member(n, "leader" if n == "cp1" else "follower") for n in names], voters=count),
        api=dict.fromkeys(names, ""),
        leaders={"scheduler": "cp1", "controller manager": "cp2"},
        nodes=[NodeState(name=n, is_ready=True) for n in names],
        certificates=[row("cp1", 200)],
        warning_days=30,
    )


def row(host: str, days: int | None, state: str = "ok") -> ExpiryRow:
    return ExpiryRow(
        host=host,
        name="apiserver",
        path="p",
        subject="s",
        authority="cluster",
        expires=None,
        days_left=days,
        state=state,
    )


def told(state: ClusterState) -> dict[str, Finding]:
    return {f"{finding.where}: {finding.what}": finding for finding in judge(state, "inventory.yaml")}


def test_one_that_is_well() -> None:
    state = cluster()
    assert judge(state, "i") == []
    assert is_highly_available(state)
    said = answers(state, [])
    assert (said["healthy"], said["highly available"]) == ("yes", "yes: any one machine may be lost")
    assert explanation([]) == "nothing is wrong"


@pytest.mark.parametrize("count", [1, 3])
def test_a_lost_member_is_what_ends_high_availability(count: int) -> None:
    state = cluster(count)
    if count == 3:
        state.etcd.members[2] = member("cp3", "unreachable")
        state.machines[2] = MachineState(name="cp3", groups=["etcd"], answers=False, reason="no route")
    assert state.etcd.has_quorum and state.etcd.can_lose == 0
    assert not is_highly_available(state)
    costs = cost_of_loss(state, state.machines[0])
    assert "etcd's quorum: no writes any more" in costs
    assert ("the last API server" in costs) == (count == 1)
    assert answers(state, judge(state, "i"))["highly available"] == "NO"


def test_without_a_quorum_the_way_out_is_named() -> None:
    state = cluster()
    for index in (1, 2):
        state.etcd.members[index] = member(f"cp{index + 1}", "silent")
    state.etcd.members[0].state, state.etcd.members[0].is_healthy = "no quorum", False
    first = judge(state, "i")[0]
    assert first.severity is Severity.BROKEN
    assert "kprov etcd recover" in first.mend
    assert answers(state, judge(state, "i"))["healthy"] == "NO"


def test_each_trouble_has_what_mends_it() -> None:
    state = cluster()
    state.machines[0].units[2] = unit("kube-scheduler", "failed")
    state.machines[1].units[4] = unit("kubelet", enabled=False)
    state.machines[2].disks = {"/": 97.0}
    state.machines[2].release = "2"
    state.machines[2].clock_offset = -60.0
    state.api["cp2"] = "connection refused"
    state.leaders["scheduler"] = ""
    state.etcd.members[0].alarms = ["NOSPACE"]
    state.etcd.members.append(MemberState(host="old", id="ab12", state="stranger"))
    state.etcd.restore_cut_off = ["cp3"]
    state.certificates = [row("cp1", 5), row("cp2", -1, "expired"), row("cp3", None, "unreachable")]
    assert state.nodes is not None
    state.nodes[0] = NodeState(name="cp1", is_ready=False, reason="runtime is down")
    state.nodes[1] = NodeState(name="cp2", is_ready=True, is_cordoned=True)
    state.nodes.append(NodeState(name="ghost", is_ready=True, in_inventory=False))
    found = told(state)
    for start in (
        "cp1: kube-scheduler does not run: failed",
        "cp2: kubelet does not start at boot",
        "cp3: its disk is 97 % full",
        "machines: they run different releases",
        "cp3: its clock is -60.0 s off",
        "cp2: its API server is not ready",
        "scheduler: no scheduler leads",
        "cp1: etcd's alarm NOSPACE",
        "old: is a member of etcd",
        "cp3: a restore of etcd was cut off",
        "cp1: certificates end: apiserver ends in 5 days",
        "cp2: certificates end: apiserver is expired",
        "cp1: its node is not ready",
        "cp2: takes no new pods",
        "ghost: is a node",
    ):
        (finding,) = (finding for title, finding in found.items() if title.startswith(start))
        assert finding.mend, start
    severities = [finding.severity for finding in judge(state, "i")]
    assert severities == sorted(severities, key=list(Severity).index)
    assert len(found) == 15


def test_what_runs_in_vain_is_told_with_what_mends_it() -> None:
    state = cluster()
    state.machines[0].silent = {"kubelet": "/healthz: timed out", "DNS": "kubernetes.default.svc: timed out"}
    state.machines[1].flushed = ["kube-proxy"]
    found = told(state)
    assert "'systemctl restart kubelet'" in found["cp1: kubelet runs, and is not well"].mend
    assert "'systemctl restart kprov-node'" in found["cp1: its DNS does not know the cluster"].mend
    assert "half a minute" in found["cp2: the nftables of kube-proxy are gone: somebody flushed them"].mend


@pytest.mark.parametrize(("seconds", "severity"), [(-20.0, Severity.NOTE), (40.0, Severity.DEGRADED)])
def test_a_clock_that_a_run_would_refuse_is_no_note(seconds: float, severity: Severity) -> None:
    state = cluster()
    state.machines[0].clock_offset = seconds
    assert [finding.severity for finding in judge(state, "i")] == [severity]


def test_what_drifts_is_told_with_its_age() -> None:
    state = cluster()
    assert answers(state, [])["drift"] == "not known, nothing was compared yet: kprov status --drift"
    state.comparison = Comparison("r", "kprov up", 30.0, ())
    assert answers(state, [])["drift"] == "none, by kprov up of 30s ago"
    state.comparison = Comparison("r", "kprov plan", 7500.0, (("cp1", "kubelet", "Configuration"),), ("cp3",))
    said = answers(state, [])["drift"]
    assert said == "1 thing on cp1, by kprov plan of 2h5m ago, without cp3 (--drift compares now)"
    (finding,) = judge(state, "inventory.yaml")
    assert finding.severity is Severity.NOTE and finding.where == "cp1"
    assert "kprov up -i inventory.yaml" in finding.mend and finding.why == "cp1: kubelet: Configuration"


@pytest.mark.parametrize(
    ("uptime", "timer_age", "snapshot_age", "said"),
    [
        (9, 9, None, True),
        (9, 0, None, False),  # its machines have run for days, and it was raised just now
        (9, None, None, False),
        (0, 9, None, False),
        (9, 9, 1, False),
        (9, 9, 8, True),
        (9, 2, None, True),
    ],
)
def test_snapshots_are_missed_once_there_should_be_some(
    uptime: int, timer_age: int | None, snapshot_age: int | None, said: bool
) -> None:
    state = cluster()
    for machine in state.machines:
        machine.uptime = uptime * 86400
        machine.snapshot_timer_age = None if timer_age is None else timer_age * 86400
        machine.snapshot_age = None if snapshot_age is None else snapshot_age * 86400
    assert any("no recent snapshot" in what for what in told(state)) is said


def test_a_member_that_was_taken_out_is_told_once() -> None:
    state = cluster()
    state.etcd.members[2] = member("cp3", "removed")
    state.machines[2].units[0] = unit("etcd", "activating")
    findings = judge(state, "i")
    assert [(f.where, f.mend) for f in findings if "etcd" in f.what] == [("cp3", "kprov up -i i")]


def test_what_machines_say_gives_the_terminal_no_orders() -> None:
    state = cluster()
    state.machines[0].units[0] = UnitState(
        name="etcd", state="failed", is_enabled=True, restarts=0, result="x", said="\x1b[2Jgone\x07"
    )
    findings = judge(state, "i")
    for text in (screen(state, findings), explanation(findings)):
        assert "\x1b" not in text and "\x07" not in text


def test_bare_machines_are_no_broken_cluster() -> None:
    state = cluster()
    for machine in state.machines:
        machine.release, machine.units = "", [unit("containerd"), *(unit(name, "missing") for name in UNITS)]
    state.machines[2].answers, state.machines[2].reason = False, "timed out"
    state.etcd = EtcdState(members=[member(m.name, "no data") for m in state.machines], voters=0)
    state.api = {machine.name: "no kubeconfig" for machine in state.machines}
    found = judge(state, "inventory.yaml")
    assert [(each.where, each.what) for each in found] == [
        ("cluster", "there is none on these machines yet"),
        ("cp3", "does not answer"),
    ]
    assert found[0].mend == "kprov up -i inventory.yaml"
    shown = screen(state, found)
    assert "QUORUM" not in shown and "recover" not in shown and "NOT READY" not in shown, shown
    assert answers(state, found).keys() == answers(cluster(), []).keys()  # who reads them finds each question


@pytest.mark.parametrize(
    ("states", "way"),
    [
        (("no data", "no data", "no data"), "where there has been no cluster: kprov up"),
        (("no data", "unreachable", "no data"), "bring cp2 back; where there has been no cluster: kprov up"),
        (("unreachable", "unreachable", "unreachable"), "kprov etcd recover"),
        (("silent", "no data", "no data"), "kprov etcd recover"),
        (("no quorum", "unreachable", "unreachable"), "kprov etcd recover"),
    ],
)
def test_where_there_are_no_data_nobody_is_sent_to_recover_them(states: tuple[str, ...], way: str) -> None:
    state = cluster()
    state.etcd = EtcdState(members=[member(f"cp{index + 1}", each) for index, each in enumerate(states)], voters=3)
    assert way in state.etcd.way_out
    assert way in verdict(state.etcd)
    assert way in judge(state, "i")[0].mend
    assert ("recover" in state.etcd.way_out) != ("kprov up" in state.etcd.way_out)


def test_a_machine_without_the_programs_of_a_cluster_answers_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "systemctl").symlink_to("/bin/true")
    asked = {"units": ["kubelet"], "health": {}, "tables": {"kube-proxy": "ip kube-proxy"}, "dns": ["127.0.0.1", "a.b"]}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, json.dumps(asked)], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["flushed"], said["silent"]) == ([], {})
    assert said["time"] > 0
