"""/metrics/cadvisor: what containers, pods and the machine have used, with cAdvisor's names and labels.

Dashboards and alerts that people have for Kubernetes ask for these. A sandbox counts as a container without a name,
and its network is the pod's. A pod in the machine's network has none of its own: cAdvisor counts the machine's for it
once more, which sums over pods then show as traffic that never was.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from kprov.kube.api.metrics import Counter, Gauge
from kprov.kube.kubelet.node import facts
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.manager import PodManager
from kprov.kube.kubelet.server.cgroup_reader import CgroupReader, Sample, interfaces

_WHO = ("container", "id", "image", "name", "namespace", "pod")
_GAUGES = {
    "container_last_seen": "Last time a container was seen by the exporter",
    "container_memory_cache": "Number of bytes of page cache memory.",
    "container_memory_mapped_file": "Size of memory mapped files in bytes.",
    "container_memory_max_usage_bytes": "Maximum memory usage recorded in bytes",
    "container_memory_rss": "Size of RSS in bytes.",
    "container_memory_swap": "Container swap usage in bytes.",
    "container_memory_usage_bytes": "Current memory usage in bytes, including all memory regardless of when it was "
    "accessed",
    "container_memory_working_set_bytes": "Current working set in bytes.",
    "container_processes": "Number of processes running inside the container.",
    "container_spec_cpu_period": "CPU period of the container.",
    "container_spec_cpu_quota": "CPU quota of the container.",
    "container_spec_cpu_shares": "CPU share of the container.",
    "container_spec_memory_limit_bytes": "Memory limit for the container.",
    "container_start_time_seconds": "Start time of the container since unix epoch in seconds.",
    "container_threads": "Number of threads running inside the container",
}
_COUNTERS = {
    "container_cpu_cfs_periods_total": "Number of elapsed enforcement period intervals.",
    "container_cpu_cfs_throttled_periods_total": "Number of throttled period intervals.",
    "container_cpu_cfs_throttled_seconds_total": "Total time duration the container has been throttled.",
    "container_cpu_system_seconds_total": "Cumulative system cpu time consumed in seconds.",
    "container_cpu_usage_seconds_total": "Cumulative cpu time consumed in seconds.",
    "container_cpu_user_seconds_total": "Cumulative user cpu time consumed in seconds.",
    "container_fs_reads_bytes_total": "Cumulative count of bytes read",
    "container_fs_reads_total": "Cumulative count of reads completed",
    "container_fs_writes_bytes_total": "Cumulative count of bytes written",
    "container_fs_writes_total": "Cumulative count of writes completed",
    "container_memory_failcnt": "Number of memory usage hits limits",
    "container_memory_failures_total": "Cumulative count of memory allocation failures.",
    "container_network_receive_bytes_total": "Cumulative count of bytes received",
    "container_network_receive_errors_total": "Cumulative count of errors encountered while receiving",
    "container_network_receive_packets_dropped_total": "Cumulative count of packets dropped while receiving",
    "container_network_receive_packets_total": "Cumulative count of packets received",
    "container_network_transmit_bytes_total": "Cumulative count of bytes transmitted",
    "container_network_transmit_errors_total": "Cumulative count of errors encountered while transmitting",
    "container_network_transmit_packets_dropped_total": "Cumulative count of packets dropped while transmitting",
    "container_network_transmit_packets_total": "Cumulative count of packets transmitted",
    "container_oom_events_total": "Count of out of memory events observed for the container",
}


@dataclass(slots=True)
class _Group:
    """A control group and who is in it."""

    path: str
    container: str = ""
    image: str = ""
    name: str = ""  # the runtime's id
    namespace: str = ""
    pod: str = ""
    created: float = 0.0
    network: bool = False
    samples: list[Sample] = field(default_factory=list)

    @property
    def labels(self) -> tuple[str, ...]:
        """The values of the labels that every metric has, in their order."""
        return self.container, self.path, self.image, self.name, self.namespace, self.pod


class ContainerMetrics:
    """Reads when asked."""

    def __init__(self, host: Host, pods: PodManager) -> None:
        """``host`` names the runtime and the groups, ``pods`` who is here."""
        self._host, self._pods = host, pods

    @cached_property
    def _reader(self) -> CgroupReader:
        return CgroupReader(self._host.cgroups.root, unified=self._host.cgroups.unified)

    async def text(self) -> str:
        """All of it in Prometheus' form."""
        return await asyncio.to_thread(self._measured, list(self._groups()))

    def _groups(self) -> Iterator[_Group]:
        cgroups = self._host.cgroups
        for path in ("/", *cgroups.tiers()):
            yield _Group(path, network=path == "/")
        for worker in self._pods.workers.values():
            meta, group = worker.pod["metadata"], cgroups.group(worker.pod)
            whose = {"namespace": meta["namespace"], "pod": meta["name"]}
            yield _Group(group, **whose)
            box = worker.record.sandbox
            if box is not None and box.ready:
                inside, since = cgroups.inside(group, box.id), box.created_at / 1e9
                yield _Group(inside, name=box.id, created=since, network=not box.host_network, **whose)
            for each in worker.record.containers:
                if each.running:
                    inside, since = cgroups.inside(group, each.id), each.created_at / 1e9
                    yield _Group(inside, container=each.name, image=each.image, name=each.id, created=since, **whose)

    def _measured(self, groups: list[_Group]) -> str:
        now = time.time()
        for each in groups:
            each.samples = self._reader.read(each.path)
            if each.samples:
                each.samples.append(("container_last_seen", (), int(now)))
                if each.created:
                    each.samples.append(("container_start_time_seconds", (), int(each.created)))
            if each.name:
                inside = self._reader.processes(each.path)
                each.samples.append(("container_processes", (), len(inside)))
                if each.network and inside:
                    each.samples += interfaces(inside[0])
            elif each.network:
                each.samples += interfaces(1)
        return rendered(groups) + machine()


def rendered(groups: Sequence[_Group]) -> str:
    """Samples in Prometheus' form, those of a name together."""
    families: dict[str, Counter] = {}
    for group in groups:
        for name, extra, value in group.samples:
            if name not in families:
                labels = (*(key for key, _ in extra), *_WHO)
                known = _GAUGES.get(name)
                kind = Counter if known is None else Gauge
                families[name] = kind(name, known or _COUNTERS[name], labels)
            families[name].values[(*(word for _, word in extra), *group.labels)] = value
    return "".join(families[name].render() for name in sorted(families))


def machine() -> str:
    """What the machine has, with the labels by which cAdvisor names it."""
    labels = ("boot_id", "machine_id", "system_uuid")
    who = (facts.boot_id(), facts.machine_id(), facts.system_uuid())
    system = Gauge("cadvisor_version_info", "The machine's system, always 1.", ("kernelVersion", "osVersion"))
    system.set(1, platform.release(), facts.os_image())
    cores = Gauge("machine_cpu_cores", "Number of logical CPU cores.", labels)
    cores.set(facts.cpus(), *who)
    memory = Gauge("machine_memory_bytes", "Amount of memory installed on the machine.", labels)
    memory.set(facts.memory()[0], *who)
    failed = Gauge("container_scrape_error", "1 if there was an error while getting container metrics, 0 otherwise")
    failed.set(0)
    return "".join(each.render() for each in (failed, system, cores, memory))
