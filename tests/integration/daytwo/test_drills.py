"""A machine is cut off from the others: clients go on, and it is given back, also when kprov is killed meanwhile."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from standing_cluster import StandingCluster, soon

CUT_OFF = """
name: cut-off
title: A control-plane machine loses its connections to the others
targets:
  - { where: one control_plane }
harm: |
  nft -f - <<RULES
  table inet kprov_drill {
    set peers { type ipv4_addr; elements = { $PEERS } }
    chain in { type filter hook input priority -300; ip saddr @peers drop; }
    chain out { type filter hook output priority -300; ip daddr @peers drop; }
  }
  RULES
undo: nft delete table inet kprov_drill 2>/dev/null || ! nft list table inet kprov_drill 2>/dev/null
hold: 3s
deadline: 8s
bounds: { write_gap: 20s, read_gap: 20s, service_gap: 20s }
"""


def is_cut_off(cluster: StandingCluster) -> bool:
    return "kprov_drill" in cluster.run("cp3", "nft list tables")


def test_a_partition_is_undone_whatever_becomes_of_kprov(standing: StandingCluster, tmp_path: Path) -> None:
    drill = tmp_path / "cut-off.yaml"
    drill.write_text(CUT_OFF.replace("hold: 3s", "hold: 30s").replace("deadline: 8s", "deadline: 35s"))
    run = standing.start("verify", "--drill", str(drill))
    assert run.read_until("cut-off on cp3"), "".join(run.lines)
    soon("the machine is cut off", lambda: is_cut_off(standing))
    run.end(signal.SIGKILL)
    drill.write_text(CUT_OFF)
    soon("the machine gives itself back", lambda: not is_cut_off(standing))
    look = "ls /run; systemctl list-timers --all --no-legend"
    soon("nothing of it is left there", lambda: "kprov-drill" not in standing.run("cp3", look))

    report = tmp_path / "report.json"
    done = standing.kprov("verify", "--drill", str(drill), "--report", str(report))
    assert done.code == 0, done.output
    assert "cut-off on cp3" in done.output and "held" in done.output, done.output
    (figures,) = [check["figures"] for check in json.loads(report.read_text())["checks"] if check["figures"]]
    assert figures["writes"] > 20 and figures["reads"] > 20 and figures["calls"] > 20, figures
    assert sum(answered for answered, _ in figures["timeline"]["writes"]) == figures["writes"]
    assert not is_cut_off(standing)
    spaces = standing.api().request("GET", "/api/v1/namespaces")["items"]
    left = [each["metadata"]["name"] for each in spaces if "deletionTimestamp" not in each["metadata"]]
    assert not [name for name in left if name.startswith("kprov-verify-")], left


def test_what_would_cost_the_cluster_is_refused(standing: StandingCluster, tmp_path: Path) -> None:
    drill = tmp_path / "too-much.yaml"
    drill.write_text(CUT_OFF.replace("one control_plane", "all machines"))
    done = standing.kprov("verify", "--drill", str(drill))
    assert done.code == 4 and "etcd has 3 members and could not do without 3" in done.output, done.output
    assert not is_cut_off(standing)


RESTARTED = """
name: restarted
title: A machine is restarted in order
targets:
  - { where: one control_plane }
harm: systemd-run --quiet --collect --no-block systemctl reboot
disconnects: true
hold: 1s
bounds: { write_gap: 20s, read_gap: 20s, service_gap: 20s, heal: 2m }
"""


def test_a_machine_that_is_restarted_ends_its_pods_first(standing: StandingCluster, tmp_path: Path) -> None:
    drill, report = tmp_path / "restarted.yaml", tmp_path / "report.json"
    drill.write_text(RESTARTED)
    done = standing.kprov("verify", "--drill", str(drill), "--report", str(report))
    assert done.code == 0, done.output
    (figures,) = [check["figures"] for check in json.loads(report.read_text())["checks"] if check["figures"]]
    # systemd gives what does not end by itself 90 s; the drill's web servers do not.
    assert figures["away_seconds"] < 75, figures
    assert "99-kubelet.conf" in standing.run("cp3", "ls /etc/systemd/logind.conf.d")
