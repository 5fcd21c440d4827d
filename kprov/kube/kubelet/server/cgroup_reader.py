"""What a control group has used, under cAdvisor's names, from the files of either version of control groups."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Labels, float]
"""A metric's name, the labels it has beside those of its container, and its value."""

TOTAL = (("cpu", "total"),)
_TICKS = os.sysconf("SC_CLK_TCK")
_UNLIMITED = 1 << 62  # v1 says so by a number that is no machine's memory
_SKIPPED = ("lo", "veth", "docker")  # interfaces that cAdvisor leaves out: what goes through them is counted elsewhere


class CgroupReader:
    """Reads the files of groups below one root."""

    def __init__(self, root: Path, *, unified: bool) -> None:
        """``root`` is where control groups are mounted; ``unified`` says that they are of version 2."""
        self._root, self._unified = root, unified
        self._devices: dict[str, str] = {}

    def read(self, group: str) -> list[Sample]:
        """What a group has used; nothing where there is no such group, or not any more."""
        samples = self._unified_samples(group) if self._unified else self._v1_samples(group)
        return list(samples)

    def processes(self, group: str) -> list[int]:
        """The processes of a group itself, not of those below it."""
        folder = self._folder("memory", group)
        return [int(line) for line in _text(folder / "cgroup.procs").split()]

    def _folder(self, controller: str, group: str) -> Path:
        base = self._root if self._unified else self._root / controller
        return base / group.strip("/")

    def _unified_samples(self, group: str) -> Iterator[Sample]:
        folder = self._folder("", group)
        cpu = _pairs(_text(folder / "cpu.stat"))
        if "usage_usec" in cpu:
            yield "container_cpu_usage_seconds_total", TOTAL, cpu["usage_usec"] / 1e6
            yield "container_cpu_user_seconds_total", (), cpu.get("user_usec", 0) / 1e6
            yield "container_cpu_system_seconds_total", (), cpu.get("system_usec", 0) / 1e6
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        yield from _limited(cpu, quota, period, cpu.get("throttled_usec", 0) / 1e6)
        if weight := _number(folder / "cpu.weight"):
            yield "container_spec_cpu_shares", (), 2 + (weight - 1) * 262142 // 9999
        memory, events = _pairs(_text(folder / "memory.stat")), _pairs(_text(folder / "memory.events"))
        used = _number(folder / "memory.current")
        if memory:
            if used is None:  # the root has no such file
                used = memory.get("anon", 0) + memory.get("file", 0)
            named = {key: memory.get(key, 0) for key in ("anon", "file", "file_mapped", "pgfault", "pgmajfault")}
            yield from _memory(
                used, memory.get("inactive_file", 0), named["anon"], named["file"], named["file_mapped"],
                _number(folder / "memory.swap.current") or 0,
            )  # fmt: skip
            yield from _faults(named["pgfault"], named["pgmajfault"], "hierarchy")
            yield "container_memory_failcnt", (), events.get("max", 0)
            yield "container_oom_events_total", (), events.get("oom_kill", 0)
            yield "container_spec_memory_limit_bytes", (), _number(folder / "memory.max") or 0
        if (peak := _number(folder / "memory.peak")) is not None:
            yield "container_memory_max_usage_bytes", (), peak
        if (threads := _number(folder / "pids.current")) is not None:
            yield "container_threads", (), threads
        yield from self._blocks(_io_stat(_text(folder / "io.stat")))

    def _v1_samples(self, group: str) -> Iterator[Sample]:
        used = _number(self._folder("cpuacct", group) / "cpuacct.usage")
        if used is not None:
            shares = _pairs(_text(self._folder("cpuacct", group) / "cpuacct.stat"))
            yield "container_cpu_usage_seconds_total", TOTAL, used / 1e9
            yield "container_cpu_user_seconds_total", (), shares.get("user", 0) / _TICKS
            yield "container_cpu_system_seconds_total", (), shares.get("system", 0) / _TICKS
        folder = self._folder("cpu", group)
        stat = _pairs(_text(folder / "cpu.stat"))
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        yield from _limited(
            stat, "max" if quota.startswith("-") else quota, period, stat.get("throttled_time", 0) / 1e9
        )
        if shares_of := _number(folder / "cpu.shares"):
            yield "container_spec_cpu_shares", (), shares_of
        folder = self._folder("memory", group)
        memory = _pairs(_text(folder / "memory.stat"))
        if (current := _number(folder / "memory.usage_in_bytes")) is not None:
            total = {key.removeprefix("total_"): value for key, value in memory.items() if key.startswith("total_")}
            inactive, swap = total.get("inactive_file", 0), total.get("swap", 0)
            cache, rss, mapped = total.get("cache", 0), total.get("rss", 0), total.get("mapped_file", 0)
            yield from _memory(current, inactive, rss, cache, mapped, swap)
            yield from _faults(memory.get("pgfault", 0), memory.get("pgmajfault", 0), "container")
            yield from _faults(total.get("pgfault", 0), total.get("pgmajfault", 0), "hierarchy")
            limit = _number(folder / "memory.limit_in_bytes") or 0
            yield "container_spec_memory_limit_bytes", (), 0 if limit > _UNLIMITED else limit
            yield "container_memory_failcnt", (), _number(folder / "memory.failcnt") or 0
            yield "container_memory_max_usage_bytes", (), _number(folder / "memory.max_usage_in_bytes") or 0
            killed = _pairs(_text(folder / "memory.oom_control")).get("oom_kill", 0)
            yield "container_oom_events_total", (), killed
        if (threads := _number(self._folder("pids", group) / "pids.current")) is not None:
            yield "container_threads", (), threads
        folder = self._folder("blkio", group)
        counts: dict[str, dict[str, int]] = {}
        for file, what in (("io_service_bytes", "bytes"), ("io_serviced", "ios")):
            text = _text(folder / f"blkio.throttle.{file}_recursive") or _text(folder / f"blkio.throttle.{file}")
            for line in text.splitlines():
                device, _, rest = line.partition(" ")
                operation, _, value = rest.partition(" ")
                if operation in ("Read", "Write") and value.isdigit():
                    counts.setdefault(device, {})[f"{operation[0].lower()}{what}"] = int(value)
        yield from self._blocks(counts)

    def _blocks(self, counts: dict[str, dict[str, int]]) -> Iterator[Sample]:
        for number, found in counts.items():
            device = (("device", self._device(number)),)
            for key, name in (
                ("rbytes", "container_fs_reads_bytes_total"),
                ("wbytes", "container_fs_writes_bytes_total"),
                ("rios", "container_fs_reads_total"),
                ("wios", "container_fs_writes_total"),
            ):
                yield name, device, found.get(key, 0)

    def _device(self, number: str) -> str:
        """A block device's path by its numbers, or the numbers where it has none."""
        if number not in self._devices:
            words = dict(
                line.split("=", 1)
                for line in _text(Path(f"/sys/dev/block/{number}/uevent")).splitlines()
                if "=" in line
            )
            self._devices[number] = f"/dev/{words['DEVNAME']}" if "DEVNAME" in words else number
        return self._devices[number]


def interfaces(process: int, proc: Path = Path("/proc")) -> list[Sample]:
    """What went through the interfaces that a process sees; nothing where it is gone."""
    samples: list[Sample] = []
    for line in _text(proc / str(process) / "net" / "dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = rest.split()
        if name.strip().startswith(_SKIPPED) or len(numbers) < 12:
            continue
        label = (("interface", name.strip()),)
        for way, first in (("receive", 0), ("transmit", 8)):
            for what, position in (("bytes", 0), ("packets", 1), ("errors", 2), ("packets_dropped", 3)):
                samples.append((f"container_network_{way}_{what}_total", label, int(numbers[first + position])))
    return samples


def _limited(stat: dict[str, int], quota: str, period: str, throttled: float) -> Iterable[Sample]:
    """The limit of the processor, and how often it was felt: for those that have one, as cAdvisor does."""
    if period.strip().isdigit():
        yield "container_spec_cpu_period", (), int(period)
    if quota.strip().isdigit():
        yield "container_spec_cpu_quota", (), int(quota)
        yield "container_cpu_cfs_periods_total", (), stat.get("nr_periods", 0)
        yield "container_cpu_cfs_throttled_periods_total", (), stat.get("nr_throttled", 0)
        yield "container_cpu_cfs_throttled_seconds_total", (), throttled


def _memory(used: int, inactive: int, rss: int, cache: int, mapped: int, swap: int) -> Iterable[Sample]:
    yield "container_memory_usage_bytes", (), used
    yield "container_memory_working_set_bytes", (), max(used - inactive, 0)  # what the kernel can't drop at once
    yield "container_memory_rss", (), rss
    yield "container_memory_cache", (), cache
    yield "container_memory_mapped_file", (), mapped
    yield "container_memory_swap", (), swap


def _faults(minor: int, major: int, scope: str) -> Iterable[Sample]:
    for kind, count in (("pgfault", minor), ("pgmajfault", major)):
        yield "container_memory_failures_total", (("failure_type", kind), ("scope", scope)), count


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # a controller that is not there, or a group that has just gone
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _pairs(text: str) -> dict[str, int]:
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if value.isdigit():
            found[key] = int(value)
    return found


def _io_stat(text: str) -> dict[str, dict[str, int]]:
    counts = {}
    for line in text.splitlines():
        device, *words = line.split()
        counts[device] = {
            key: int(value) for key, _, value in (word.partition("=") for word in words) if value.isdigit()
        }
    return counts
