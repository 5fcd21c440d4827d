"""/metrics/cadvisor and /metrics/probes: what is read from control groups of both versions, and how it is named."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.pods.cgroups import Cgroups
from kprov.kube.kubelet.pods.records import EXITED, RUNNING, ContainerRecord, PodRecord, SandboxRecord
from kprov.kube.kubelet.probes.counts import PROBES, ProbeCounts
from kprov.kube.kubelet.probes.prober import LIVENESS, Prober
from kprov.kube.kubelet.server.cgroup_reader import CgroupReader, interfaces
from kprov.kube.kubelet.server.container_metrics import ContainerMetrics

POD = {"metadata": {"uid": "u-1", "name": "p", "namespace": "ns"}, "spec": {"containers": [{"name": "c"}]}}
GROUP = "/kubepods/besteffort/podu-1"
NET_DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0
  eth0: 5000 50 1 2 0 0 0 0 7000 70 3 4 0 0 0 0
veth12: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0
"""

V1 = {
    "cpuacct/{}/cpuacct.usage": "2500000000\n",
    "cpuacct/{}/cpuacct.stat": "user 150\nsystem 50\n",
    "cpu/{}/cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 1500000000\n",
    "cpu/{}/cpu.cfs_quota_us": "50000\n",
    "cpu/{}/cpu.cfs_period_us": "100000\n",
    "cpu/{}/cpu.shares": "256\n",
    "memory/{}/memory.usage_in_bytes": "1000000\n",
    "memory/{}/memory.stat": "pgfault 5\npgmajfault 1\ntotal_cache 400000\ntotal_rss 500000\ntotal_mapped_file 1000\n"
    "total_inactive_file 300000\ntotal_pgfault 7\ntotal_pgmajfault 2\n",
    "memory/{}/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/{}/memory.failcnt": "3\n",
    "memory/{}/memory.max_usage_in_bytes": "1200000\n",
    "memory/{}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "memory/{}/cgroup.procs": "42\n43\n",
    "pids/{}/pids.current": "6\n",
    "blkio/{}/blkio.throttle.io_service_bytes_recursive": "0:99 Read 4096\n0:99 Write 8192\nTotal 12288\n",
    "blkio/{}/blkio.throttle.io_serviced_recursive": "0:99 Read 1\n0:99 Write 2\n",
}
V2 = {
    "{}/cpu.stat": "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 4\n"
    "throttled_usec 1500000\n",
    "{}/cpu.max": "50000 100000\n",
    "{}/cpu.weight": "10\n",
    "{}/memory.current": "1000000\n",
    "{}/memory.stat": "anon 500000\nfile 400000\nfile_mapped 1000\ninactive_file 300000\npgfault 7\npgmajfault 2\n",
    "{}/memory.events": "low 0\nmax 3\noom 1\noom_kill 1\n",
    "{}/memory.max": "max\n",
    "{}/memory.peak": "1200000\n",
    "{}/memory.swap.current": "0\n",
    "{}/pids.current": "6\n",
    "{}/io.stat": "0:99 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
    "{}/cgroup.procs": "42\n43\n",
    "cgroup.controllers": "cpu io memory pids\n",
}


def fill(root: Path, files: dict[str, str], group: str = GROUP) -> None:
    for name, text in files.items():
        path = root / name.format(group.strip("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(("files", "unified"), [(V1, False), (V2, True)])
def test_both_versions_of_control_groups_say_the_same(tmp_path: Path, files: dict[str, str], unified: bool) -> None:
    fill(tmp_path, files)
    reader = CgroupReader(tmp_path, unified=unified)
    read = {(name, *(word for _, word in labels)): value for name, labels, value in reader.read(GROUP)}
    assert read[("container_cpu_usage_seconds_total", "total")] == 2.5
    assert read[("container_cpu_user_seconds_total",)] == 1.5
    assert read[("container_cpu_system_seconds_total",)] == 0.5
    assert read[("container_cpu_cfs_periods_total",)] == 10
    assert read[("container_cpu_cfs_throttled_periods_total",)] == 4
    assert read[("container_cpu_cfs_throttled_seconds_total",)] == 1.5
    assert (read[("container_spec_cpu_quota",)], read[("container_spec_cpu_period",)]) == (50000, 100000)
    assert 230 < read[("container_spec_cpu_shares",)] <= 256
    assert read[("container_memory_usage_bytes",)] == 1_000_000
    assert read[("container_memory_working_set_bytes",)] == 700_000
    assert (read[("container_memory_rss",)], read[("container_memory_cache",)]) == (500_000, 400_000)
    assert (read[("container_memory_mapped_file",)], read[("container_memory_swap",)]) == (1000, 0)
    assert read[("container_memory_max_usage_bytes",)] == 1_200_000
    assert read[("container_memory_failures_total", "pgfault", "hierarchy")] == 7
    assert (read[("container_memory_failcnt",)], read[("container_oom_events_total",)]) == (3, 1)
    assert read[("container_spec_memory_limit_bytes",)] == 0
    assert read[("container_threads",)] == 6
    assert read[("container_fs_reads_bytes_total", "0:99")] == 4096
    assert read[("container_fs_writes_total", "0:99")] == 2
    assert reader.processes(GROUP) == [42, 43]
    assert reader.read("/kubepods/gone") == [] == reader.processes("/kubepods/gone")


def test_who_has_no_limit_was_never_throttled(tmp_path: Path) -> None:
    fill(tmp_path, V1 | {"cpu/{}/cpu.cfs_quota_us": "-1\n"})
    names = {name for name, _, _ in CgroupReader(tmp_path, unified=False).read(GROUP)}
    assert "container_spec_cpu_period" in names
    assert not {"container_spec_cpu_quota", "container_cpu_cfs_periods_total"} & names


def test_interfaces_are_counted_without_those_of_other_machines_and_pods(tmp_path: Path) -> None:
    (tmp_path / "42/net").mkdir(parents=True)
    (tmp_path / "42/net/dev").write_text(NET_DEV)
    found = {
        name.removeprefix("container_network_"): (labels, value) for name, labels, value in interfaces(42, tmp_path)
    }
    label = (("interface", "eth0"),)
    assert found["receive_bytes_total"] == (label, 5000)
    assert found["receive_packets_dropped_total"] == (label, 2)
    assert found["transmit_bytes_total"] == (label, 7000)
    assert found["transmit_errors_total"] == (label, 3)
    assert interfaces(43, tmp_path) == []


def record() -> PodRecord:
    """A pod with a container, and one that has ended."""
    containers = [
        ContainerRecord(key, "c", "box", state, 0, "", image="registry/busybox:1")
        for key, state in (("one", RUNNING), ("ended", EXITED))
    ]
    return PodRecord("u-1", "p", "ns", [SandboxRecord("box", 0, 5_000_000_000, ready=True)], containers)


async def test_a_scrape_names_machine_tiers_pod_sandbox_and_container(tmp_path: Path) -> None:
    for group in ("", "kubepods", GROUP, f"{GROUP}/one", f"{GROUP}/box", f"{GROUP}/ended"):
        fill(tmp_path, V1, group)
    host: Any = SimpleNamespace(cgroups=Cgroups("cgroupfs", "", root=tmp_path), runtime=None)
    pods: Any = SimpleNamespace(workers={"u-1": SimpleNamespace(pod=POD, record=record())})
    lines = (await ContainerMetrics(host, pods).text()).splitlines()
    who = 'container="{}",id="{}",image="{}",name="{}",namespace="{}",pod="{}"'
    for labels in (
        who.format("c", f"{GROUP}/one", "registry/busybox:1", "one", "ns", "p"),
        who.format("", f"{GROUP}/box", "", "box", "ns", "p"),
        who.format("", GROUP, "", "", "ns", "p"),
        who.format("", "/kubepods", "", "", "", ""),
        who.format("", "/", "", "", "", ""),
    ):
        assert f'container_cpu_usage_seconds_total{{cpu="total",{labels}}} 2.5' in lines
        assert f"container_memory_working_set_bytes{{{labels}}} 700000" in lines
    assert not [line for line in lines if "ended" in line]
    processes = [line for line in lines if line.startswith("container_processes{") and 'container="c"' in line]
    assert [line.rpartition(" ")[2] for line in processes] == ["2"]
    assert any(line.startswith("container_start_time_seconds{") and line.endswith(" 5") for line in lines)
    assert len([line for line in lines if line.startswith("# TYPE ")]) == len(
        {x for x in lines if x.startswith("# TYPE ")}
    )
    assert any(line.startswith("machine_memory_bytes{boot_id=") for line in lines)
    assert "container_scrape_error 0" in lines


def test_where_systemd_makes_the_groups() -> None:
    groups = Cgroups("systemd", "")
    burstable = {
        "metadata": {"uid": "u-1"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]},
    }
    where = groups.group(burstable)
    assert where == "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podu_1.slice"
    assert groups.inside(where, "one") == f"{where}/cri-containerd-one.scope"
    assert groups.tiers()[1] == "/kubepods.slice/kubepods-burstable.slice"


class Checker:
    """Gives its answers in turn; the last for ever."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    async def check(self, *_: Any) -> tuple[bool, str]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer, ""


async def test_probes_are_counted_and_forgotten_with_their_pod() -> None:
    changed = asyncio.Event()
    silent = [RuntimeFailure("UNAVAILABLE", "no answer")] * 3
    checker: Any = Checker(False, *silent, True)
    prober = Prober(checker, changed.set, lambda *_: None, ProbeCounts(POD))
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 0.01, "successThreshold": 1}
    prober.watch({"name": "c", "livenessProbe": probe}, "id", "127.0.0.1", 0.0)
    async with asyncio.timeout(60):
        await changed.wait()
    prober.keep(set())
    text = PROBES.render(process=False)
    who = 'container="c",pod="p",namespace="ns",pod_uid="u-1"'
    for result in ("failed", "unknown", "successful"):
        assert f'prober_probe_total{{probe_type="Liveness",result="{result}",{who}}} 1' in text
    assert 'prober_probe_duration_seconds_count{probe_type="Liveness",container="c",pod="p",namespace="ns"} 2' in text
    assert "process_cpu_seconds_total" not in text
    assert LIVENESS == "liveness"
    prober.close()
    assert 'pod="p"' not in PROBES.render(process=False)
