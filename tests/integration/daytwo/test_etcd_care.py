"""etcd's snapshots, the way back from one, the loss of quorum and of a disk, upkeep: on real members, also killed."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from pathlib import Path

from standing_cluster import ETCDCTL, StandingCluster, soon


def test_a_snapshot_is_what_etcd_itself_takes_for_one(standing: StandingCluster, tmp_path: Path) -> None:
    target = tmp_path / "taken.db"
    said = standing.json("etcd", "backup", str(target))
    assert said["exit_code"] == 0
    beside = target.with_name("taken.db.sha256")
    assert [path.stat().st_mode & 0o777 for path in (target, beside)] == [0o600, 0o600]
    assert beside.read_text() == f"{hashlib.sha256(target.read_bytes()).hexdigest()}  taken.db\n"
    status = subprocess.run(
        ["etcdctl", "snapshot", "status", str(target), "-w", "json"], env={"ETCDCTL_API": "3"}, capture_output=True
    )
    assert json.loads(status.stdout)["totalKey"] > 100, status.stderr
    assert standing.run("cp1", "ls -A /var/lib/kprov | grep etcd-backup || true") == ""


def test_snapshots_by_the_clock(standing: StandingCluster) -> None:
    folder = "/var/lib/kprov/etcd-snapshots"
    standing.fine("up", "--no-verify", "--tags", "etcd", "-e", "etcd_snapshots_kept=2")
    for _ in range(3):
        standing.run("cp1", "sleep 1.1; systemctl start kprov-etcd-snapshot")  # names tell seconds
    assert standing.run("cp1", f"ls {folder}/*.db | wc -l").strip() == "2"
    standing.run("cp1", f"touch {folder}/mine.db; cd {folder}; sha256sum --check --strict *.sha256")
    assert standing.run("cp1", f"stat -c %a {folder} {folder}/*-etcd-*").split() == ["700", *["600"] * 4]
    standing.fine("up", "--no-verify", "--tags", "etcd", "-e", "etcd_snapshot_schedule=")
    assert standing.run("cp1", "systemctl list-unit-files 'kprov-etcd*' --no-legend; true") == ""
    assert "mine.db" in standing.run("cp1", f"ls {folder}")
    standing.fine("up", "--no-verify", "--tags", "etcd")


def test_the_whole_cluster_goes_back_to_a_snapshot(standing: StandingCluster, tmp_path: Path) -> None:
    standing.put("before")
    target = tmp_path / "good.db"
    standing.fine("etcd", "backup", str(target))
    standing.put("after")

    damaged = tmp_path / "damaged.db"
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    cut_off = tmp_path / "cut-off.db"
    cut_off.write_bytes(target.read_bytes()[:-4096])
    for wrong in (damaged, cut_off):
        refused = standing.kprov("etcd", "restore", str(wrong), "--yes")
        assert refused.code == 1 and ("damaged" in refused.output or "no snapshot" in refused.output), refused.output
    unasked = standing.kprov("etcd", "restore", str(target))
    assert unasked.code == 1 and "changes are lost" in unasked.output and "--yes" in unasked.output, unasked.output
    assert {"before", "after"} <= standing.config_maps()
    assert standing.run("cp1", "ls /var/lib/kprov | grep -c etcd-snapshot$ || true").strip() == "0"

    first = standing.start("etcd", "restore", str(target), "--yes")
    assert first.read_until("Exchange etcd's data"), "".join(first.lines)
    assert first.end(signal.SIGKILL).code == -signal.SIGKILL
    assert standing.json("etcd", "status")["restore_cut_off"]
    assert "cut off" in standing.kprov("up", "--no-verify").output
    soon("the machines are free again", lambda: standing.kprov("etcd", "restore", str(target), "--yes").code == 0, 90)

    assert "before" in standing.config_maps() and "after" not in standing.config_maps()
    state = standing.json("etcd", "status")
    assert (state["exit_code"], state["healthy"], state["restore_cut_off"]) == (0, 3, [])
    assert len({member["cluster_id"] for member in state["members"]}) == 1
    standing.put("since")


def test_a_lost_quorum_is_repaired_and_a_machine_that_burnt_down_replaced(standing: StandingCluster) -> None:
    refused = standing.kprov("etcd", "recover", "--yes")
    assert refused.code == 1 and "has a quorum" in refused.output, refused.output
    standing.put("last-word")
    standing.own.machines.stop("cp2", "cp3")
    status = standing.kprov("etcd", "status", "--output", "json")
    assert status.code == 4 and not json.loads(status.output)["has_quorum"], status.output
    done = standing.kprov("etcd", "recover", "--yes", "--timeout", "connect=3s")
    assert done.code == 0, done.output
    assert "last-word" in standing.config_maps()
    standing.put("alone")
    (kept,) = (standing.state / "etcd-snapshots").glob("*-recovered-*.db")
    assert kept.stat().st_mode & 0o777 == 0o600

    standing.own.machines.start("cp2")
    standing.fine("up", "--no-verify", "--limit", "cp2")
    key = standing.own.machines.burn_down("cp3")
    replace = ("node", "replace", "cp3", "--host-key", key)
    first = standing.start(*replace)
    assert first.read_until("Form the etcd cluster"), "".join(first.lines)
    assert first.end(signal.SIGKILL).code == -signal.SIGKILL
    soon("the machines are free again, and cp3 is replaced", lambda: standing.kprov(*replace).code == 0, 120)
    standing.own.pin("cp3", key)
    refused = standing.kprov("node", "replace", "cp3")
    assert refused.code == 1 and "is no new machine" in refused.output, refused.output
    assert standing.json("etcd", "status")["exit_code"] == 0
    assert "alone" in standing.config_maps()
    listed = standing.run("cp3", ETCDCTL + "member list")
    assert listed.count("started") == 3, listed


def test_upkeep_gives_room_back_while_the_cluster_serves(standing: StandingCluster) -> None:
    api = standing.api()
    path = "/api/v1/namespaces/default/configmaps/"
    standing.put("grows")
    for number in range(30):
        body = {"data": {"of": str(number) * 20000}}
        api.request("PATCH", path + "grows", body=body, content_type="application/merge-patch+json")
    standing.fine("etcd", "compact", "--keep", "0")
    said = standing.kprov("etcd", "defrag", "--output", "json")
    assert said.code == 0, said.output
    event = next(json.loads(line) for line in said.output.splitlines() if '"defragmented"' in line)
    assert all(event["after"][name] < event["before"][name] for name in ("cp1", "cp2", "cp3")), event
    assert standing.json("etcd", "status")["exit_code"] == 0
