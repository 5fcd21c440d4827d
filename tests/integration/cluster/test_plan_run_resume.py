"""Plans that are kept and carried out or refused, runs that die and go on, runs that can't be written down.

Two bare machines and the first phase of `kprov up` (--tags machine): all of it is the same for any other phase.
The tests stand in the order in which the machines live.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from own_cluster import KPROV, Ended, OwnCluster, own_cluster

FILE = "/etc/sysctl.d/90-kprov.conf"
EVERYTHING = (
    "find /etc /opt /root /usr /var/lib /var/cache /run/kprov* -xdev -path /var/lib/systemd -prune -o "
    "-path '*/__pycache__*' -prune -o -printf '%p %y %m %U:%G %s %T@ %l\\n' 2>/dev/null | sort"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnCluster]:
    """Two machines, on which nothing was done yet."""
    with own_cluster(tmp_path_factory.mktemp("plans"), lab="plans", subnet="10.93.0.0/24") as machines:
        yield machines


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Where a plan is written to."""
    return tmp_path / "p.plan"


def make(cluster: OwnCluster, plan: Path) -> Ended:
    ended = cluster.kprov("plan", "--tags", "machine", "-o", str(plan))
    assert ended.code == 0, ended.output
    return ended


def up(cluster: OwnCluster, *more: str) -> Ended:
    tags = [] if "--plan" in more else ["--tags", "machine"]
    return cluster.kprov("up", "--no-verify", *tags, *more)


def runs(cluster: OwnCluster, *words: str) -> str:
    """`kprov runs ...` of this inventory."""
    line = [*KPROV, "runs", *words, "-i", str(cluster.inventory)]
    done = subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def state_of(cluster: OwnCluster) -> Path:
    return cluster.inventory.parent / "state"


def kept(folder: Path) -> dict[str, tuple[int, float]]:
    """The state directory without its runs, and without the facts, which are a cache."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime)
        for path in folder.rglob("*")
        if path.is_file() and not {"runs", "facts"} & set(path.relative_to(folder).parts)
    }


def has_traces(cluster: OwnCluster) -> dict[str, bool]:
    return {name: "90-kprov" in cluster.run(name, f"ls {FILE} 2>/dev/null || true") for name in cluster.names}


def added(diff: str) -> list[str]:
    """What a diff adds. Each item of a loop is compared with what is there now: it does not see the ones before it."""
    return [line for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]


def test_a_plan_changes_nothing(cluster: OwnCluster, plan: Path) -> None:
    before = {name: cluster.run(name, EVERYTHING) for name in cluster.names}
    ended = make(cluster, plan)
    assert f"is in {plan}" in ended.output and f"+++ {FILE}" in ended.output
    assert {name: cluster.run(name, EVERYTHING) for name in cluster.names} == before
    assert kept(state_of(cluster)) == {}
    content = json.loads(plan.read_text())
    assert set(content["hosts"]) == set(cluster.names) and plan.stat().st_mode & 0o777 == 0o600


def test_a_machine_that_changed_is_noticed_by_name(cluster: OwnCluster, plan: Path) -> None:
    make(cluster, plan)
    cluster.run("w1", f"echo 'vm.overcommit_memory = 0' > {FILE}")
    ended = up(cluster, "--plan", str(plan))
    assert ended.code == 6, ended.output
    assert "w1: machine: " in ended.output and "cp1: " not in ended.output, ended.output
    assert "nothing was changed" in ended.output and not has_traces(cluster)["cp1"]
    cluster.run("w1", f"rm {FILE}")


def test_an_inventory_that_changed_is_noticed_by_name(cluster: OwnCluster, plan: Path) -> None:
    make(cluster, plan)
    ended = up(cluster, "--plan", str(plan), "-e", "max_pods=99")
    assert ended.code == 6 and "max_pods of every machine is another one" in ended.output, ended.output
    assert has_traces(cluster) == {"cp1": False, "w1": False}


def test_what_was_shown_is_what_is_done(cluster: OwnCluster, plan: Path) -> None:
    make(cluster, plan)
    ended = up(cluster, "--plan", str(plan), "--diff", "--output", "json")
    assert ended.code == 0, ended.output
    planned = json.loads(plan.read_text())["hosts"]
    events = [json.loads(line) for line in ended.output.splitlines() if line.startswith("{")]
    for name in cluster.names:
        shown = [(task["role"], task["task"], added(task["diff"])) for task in planned[name]["tasks"]]
        done = [
            (event["role"], event["task"], added(event["diff"] or ""))
            for event in events
            if event["event"] == "task" and event["host"] == name and event["status"] == "changed"
        ]
        assert shown == done and shown
    assert has_traces(cluster) == {"cp1": True, "w1": True}
    again = up(cluster, "--plan", str(plan))
    assert again.code == 6 and "the plan may have been carried out" in again.output, again.output


def test_the_same_command_goes_on_after_a_kill(cluster: OwnCluster) -> None:
    for name in cluster.names:
        cluster.run(name, f"rm {FILE}")
    run = cluster.start("up", "--no-verify", "--tags", "machine")
    assert run.read_until("Prepare the machines")
    ended = run.end(signal.SIGKILL)
    run_id = ended.output.partition("(run ")[2].partition(")")[0]
    after = up(cluster)
    assert after.code == 0, after.output
    assert f"Goes on after run {run_id}, which died at" in after.output and '"Prepare the machines"' in after.output
    assert has_traces(cluster) == {"cp1": True, "w1": True}
    assert "Goes on" not in up(cluster).output
    listed = runs(cluster, "list")
    assert f"{run_id}   " in listed and "died" in listed
    assert "Prepare the machines (did not end)" in runs(cluster, "show", run_id)


def test_a_second_run_is_told_who_holds_the_state_and_the_machines(cluster: OwnCluster, tmp_path: Path) -> None:
    first = cluster.start("up", "--no-verify", "--tags", "machine")
    assert first.read_until("Prepare the machines")
    first.process.send_signal(signal.SIGSTOP)
    try:
        second = up(cluster)
        other = yaml.safe_load(cluster.inventory.read_text())
        other["all"]["vars"]["state_directory"] = str(tmp_path / "another controller's")
        elsewhere = tmp_path / "inventory.yaml"
        elsewhere.write_text(yaml.safe_dump(other))
        third = OwnCluster(cluster.machines, elsewhere).kprov("up", "--no-verify", "--tags", "machine")
    finally:
        killed = first.end(signal.SIGKILL)
    run_id = killed.output.partition("(run ")[2].partition(")")[0]
    for refused in (second, third):
        assert refused.code == 5, refused.output
        for word in ("locked by ", "@", f"kprov up, run {run_id}, process {first.process.pid}", " since 20"):
            assert word in refused.output, refused.output
    assert "cp1: locked by" in third.output and "the cluster's state in" in second.output
    after = up(cluster)
    assert after.code == 0, "nothing stale is left of a killed run: " + after.output


@contextmanager
def small_disk(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of 96 KiB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def on_disk(cluster: OwnCluster, disk: Path, folder: Path) -> OwnCluster:
    data = yaml.safe_load(cluster.inventory.read_text())
    data["all"]["vars"]["state_directory"] = str(disk / "state")
    inventory = folder / "small.yaml"
    inventory.write_text(yaml.safe_dump(data))
    return OwnCluster(cluster.machines, inventory)


def test_a_full_disk(cluster: OwnCluster, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        small = on_disk(cluster, disk, tmp_path)
        assert up(small).code == 0
        cluster.run("w1", f"rm {FILE}")
        filler = disk / "filler"
        room = os.statvfs(disk)
        # two blocks are left: the journal can be begun and not be kept
        filler.write_bytes(b"x" * (room.f_bavail - 2) * room.f_bsize)
        ended = up(small)
        assert ended.code == 1 and "No space left on device" in ended.output, ended.output
        assert "Traceback" not in ended.output and "fault in kprov" not in ended.output, ended.output
        for name in cluster.names:
            assert cluster.run(name, "ls /run/kprov.lock 2>/dev/null || true") == "", "the machine stays locked"
        assert "failed" in runs(small, "list") or "died" in runs(small, "list")
        filler.unlink()
        ended = up(small)
        assert ended.code == 0 and has_traces(cluster)["w1"], ended.output


def test_a_state_directory_that_cannot_be_written(cluster: OwnCluster, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        small = on_disk(cluster, disk, tmp_path)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for verb in (["up", "--no-verify"], ["plan"]):
            ended = small.kprov(*verb, "--tags", "machine")
            assert ended.code == 1 and "Read-only file system" in ended.output, ended.output
            assert "Nothing was changed" in ended.output and "Traceback" not in ended.output, ended.output
