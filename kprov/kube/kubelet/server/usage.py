"""What the machine and its pods use: /stats/summary and /metrics/resource."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kprov.kube.api import clock
from kprov.kube.kubelet import names
from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.node import facts
from kprov.kube.kubelet.pods.host import Host

TICKS = 100  # of /proc/stat, a second


class Usage:
    """Measures when asked, at most once in a few seconds."""

    def __init__(self, host: Host) -> None:
        """``host`` names the runtime and the node."""
        self._host = host
        self._started = clock.now()
        self._stats: tuple[float, list[pb.ContainerStats]] = (0.0, [])
        self._last_cpu: dict[str, tuple[int, int]] = {}  # container -> (nanoseconds of the sample, cpu nanoseconds)
        self._rates: dict[str, int] = {}

    async def containers(self) -> list[pb.ContainerStats]:
        """The runtime's numbers; raises RuntimeFailure."""
        moment, known = self._stats
        if time.monotonic() - moment > 5:
            known = await self._host.runtime.stats()
            self._stats = (time.monotonic(), known)
            fresh: dict[str, tuple[int, int]] = {}
            for each in known:
                sample = (each.cpu.timestamp, each.cpu.usage_core_nano_seconds.value)
                before = self._last_cpu.get(each.attributes.id)
                if before and sample[0] > before[0]:
                    self._rates[each.attributes.id] = (sample[1] - before[1]) * 1_000_000_000 // (sample[0] - before[0])
                fresh[each.attributes.id] = sample
            self._last_cpu = fresh
            self._rates = {key: rate for key, rate in self._rates.items() if key in fresh}
        return known

    def node_cpu(self) -> int:
        """Nanoseconds of processor time since boot."""
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        busy = sum(int(text) for index, text in enumerate(fields[:8]) if index not in (3, 4))
        return busy * 1_000_000_000 // TICKS

    def node_memory(self) -> dict[str, int]:
        """Bytes in use and available."""
        total, available = facts.memory()
        return {"availableBytes": available, "usageBytes": total - available, "workingSetBytes": total - available}

    async def summary(self) -> dict[str, Any]:
        """The Summary of upstream's stats/v1alpha1."""
        stats = await self.containers()
        now = clock.now()
        root = facts.disk(self._host.root)
        pods: dict[str, dict[str, Any]] = {}
        for each in stats:
            labels = each.attributes.labels
            uid = labels.get(names.POD_UID, "")
            pod = pods.setdefault(
                uid,
                {
                    "podRef": {
                        "name": labels.get(names.POD_NAME, ""),
                        "namespace": labels.get(names.POD_NAMESPACE, ""),
                        "uid": uid,
                    },
                    "startTime": self._started,
                    "containers": [],
                    "cpu": {"time": now, "usageNanoCores": 0, "usageCoreNanoSeconds": 0},
                    "memory": {"time": now, "usageBytes": 0, "workingSetBytes": 0},
                },
            )
            entry = self._container(each)
            pod["containers"].append(entry)
            for kind, keys in (
                ("cpu", ("usageNanoCores", "usageCoreNanoSeconds")),
                ("memory", ("usageBytes", "workingSetBytes")),
            ):
                for key in keys:
                    pod[kind][key] += entry[kind].get(key, 0)
        node_fs = {
            "time": now,
            "availableBytes": root.available,
            "capacityBytes": root.size,
            "usedBytes": root.size - root.available,
            "inodes": root.inodes,
            "inodesFree": root.inodes_free,
        }
        return {
            "node": {
                "nodeName": self._host.node_name,
                "startTime": self._started,
                "cpu": {"time": now, "usageCoreNanoSeconds": self.node_cpu()},
                "memory": {"time": now, **self.node_memory()},
                "fs": node_fs,
            },
            "pods": list(pods.values()),
        }

    def _container(self, each: pb.ContainerStats) -> dict[str, Any]:
        moment = clock.from_nanoseconds(each.cpu.timestamp) or clock.now()
        return {
            "name": each.attributes.metadata.name,
            "startTime": self._started,
            "cpu": {
                "time": moment,
                "usageCoreNanoSeconds": each.cpu.usage_core_nano_seconds.value,
                "usageNanoCores": self._rates.get(each.attributes.id, each.cpu.usage_nano_cores.value),
            },
            "memory": {
                "time": moment,
                "workingSetBytes": each.memory.working_set_bytes.value,
                "usageBytes": each.memory.usage_bytes.value or each.memory.working_set_bytes.value,
                "rssBytes": each.memory.rss_bytes.value,
            },
            "rootfs": {
                "time": moment,
                "usedBytes": each.writable_layer.used_bytes.value,
                "inodesUsed": each.writable_layer.inodes_used.value,
            },
        }

    async def resource_metrics(self) -> str:
        """Prometheus' form of the same, as the metrics server reads it."""
        stats = await self.containers()
        moment = int(datetime.now(UTC).timestamp() * 1000)
        lines = [
            "# TYPE node_cpu_usage_seconds_total counter",
            f"node_cpu_usage_seconds_total {self.node_cpu() / 1e9:.6f} {moment}",
            "# TYPE node_memory_working_set_bytes gauge",
            f"node_memory_working_set_bytes {self.node_memory()['workingSetBytes']} {moment}",
        ]
        cpu, memory = [], []
        pods: dict[tuple[str, str], list[float]] = {}
        for each in stats:
            labels = each.attributes.labels
            namespace, pod = labels.get(names.POD_NAMESPACE, ""), labels.get(names.POD_NAME, "")
            where = f'{{container="{each.attributes.metadata.name}",namespace="{namespace}",pod="{pod}"}}'
            seconds, used = each.cpu.usage_core_nano_seconds.value / 1e9, each.memory.working_set_bytes.value
            cpu.append(f"container_cpu_usage_seconds_total{where} {seconds:.6f} {each.cpu.timestamp // 1_000_000}")
            memory.append(f"container_memory_working_set_bytes{where} {used} {each.memory.timestamp // 1_000_000}")
            total = pods.setdefault((namespace, pod), [0.0, 0.0])
            total[0] += seconds
            total[1] += used
        lines += ["# TYPE container_cpu_usage_seconds_total counter", *cpu]
        lines += ["# TYPE container_memory_working_set_bytes gauge", *memory]
        lines.append("# TYPE pod_cpu_usage_seconds_total counter")
        lines += [
            f'pod_cpu_usage_seconds_total{{namespace="{key[0]}",pod="{key[1]}"}} {value[0]:.6f} {moment}'
            for key, value in pods.items()
        ]
        lines.append("# TYPE pod_memory_working_set_bytes gauge")
        lines += [
            f'pod_memory_working_set_bytes{{namespace="{key[0]}",pod="{key[1]}"}} {int(value[1])} {moment}'
            for key, value in pods.items()
        ]
        lines += ["# TYPE resource_scrape_error gauge", "resource_scrape_error 0"]
        return "\n".join(lines) + "\n"
