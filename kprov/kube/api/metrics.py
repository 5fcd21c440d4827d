"""Metrics in Prometheus' text format: counters, gauges and histograms with labels, and the process's own.

prometheus-client would cost every daemon more memory than all that these few lines do.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from kprov import __version__

DEFAULT_BUCKETS = (
    0.001,
    0.002,
    0.004,
    0.008,
    0.016,
    0.032,
    0.064,
    0.128,
    0.256,
    0.512,
    1.024,
    2.048,
    4.096,
    8.192,
    16.384,
)
PROMETHEUS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""What upstream has where it names none."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STARTED = time.time()

LabelValues = tuple[str, ...]
Asked = Callable[[], "float | Mapping[LabelValues, float]"]
"""Gives a metric's value when it is read, or that of each of its series."""

MetricT = TypeVar("MetricT", bound="Metric")


def _shown(number: float) -> str:
    """A number as Prometheus reads it, with all its digits: times since 1970 have many."""
    whole = int(number) if -1e15 < number < 1e15 else None
    return str(whole) if whole == number else repr(float(number))


def _bound(number: float) -> str:
    """A bucket's bound as upstream's daemons write it, so that the same series are found: 1, 0.5, 86400, 1e+06."""
    if 1e-4 <= abs(number) < 1e6 or number == 0:
        return _shown(number)
    return next(text for digits in range(17) if float(text := f"{number:.{digits}e}") == number)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True)) + "}"


class Metric:
    """What all metrics share: a name, a help text and label names."""

    kind = ""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)

    def samples(self) -> Iterator[str]:
        """The metric's lines."""
        raise NotImplementedError

    def render(self) -> str:
        """The metric with its header."""
        lines = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} {self.kind}", *self.samples()]
        return "\n".join(lines) + "\n"


class Counter(Metric):
    """A number that only grows, counted here or asked for when it is read."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), function: Asked | None = None) -> None:
        super().__init__(name, help, labels)
        self.values: dict[LabelValues, float] = {} if labels else {(): 0.0}
        self.function = function

    def inc(self, *labels: str, by: float = 1.0) -> None:
        """Add to the series that these label values name."""
        self.values[labels] = self.values.get(labels, 0.0) + by

    def samples(self) -> Iterator[str]:
        """One line a series."""
        if self.function:
            given = self.function()
            self.values = dict(given) if isinstance(given, Mapping) else {(): given}
        for labels, number in self.values.items():
            yield f"{self.name}{_braces(self.labels, labels)} {_shown(number)}"


class Gauge(Counter):
    """A number that goes up and down, set or asked for when it is read."""

    kind = "gauge"

    def set(self, number: float, *labels: str) -> None:
        """Set the series that these label values name."""
        self.values[labels] = number


class Histogram(Metric):
    """How often an observation fell below each bound."""

    kind = "histogram"

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(buckets)
        self._bounds = (*map(_bound, self.buckets), "+Inf")
        self.series: dict[LabelValues, list[float]] = {}  # one count a bucket, then beyond, then the sum

    def observe(self, number: float, *labels: str, times: int = 1) -> None:
        """Count one observation, or several of the same."""
        series = self.series.get(labels)
        if series is None:
            series = self.series[labels] = [0.0] * (len(self.buckets) + 2)
        series[bisect_left(self.buckets, number)] += times
        series[-1] += number * times

    def samples(self) -> Iterator[str]:
        """Cumulative buckets, sum and count of each series."""
        for labels, series in self.series.items():
            total = 0.0
            for bound, count in zip(self._bounds, series, strict=False):
                total += count
                yield f"{self.name}_bucket{_braces((*self.labels, 'le'), (*labels, bound))} {_shown(total)}"
            yield f"{self.name}_sum{_braces(self.labels, labels)} {_shown(series[-1])}"
            yield f"{self.name}_count{_braces(self.labels, labels)} {_shown(total)}"


class Registry:
    """The metrics of one process."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def counter(self, name: str, help: str, labels: Sequence[str] = (), function: Asked | None = None) -> Counter:
        """Register a counter; `function` gives its value when it is read."""
        return self._add(Counter(name, help, labels, function))

    def gauge(self, name: str, help: str, labels: Sequence[str] = (), function: Asked | None = None) -> Gauge:
        """Register a gauge; `function` gives its value when it is read."""
        return self._add(Gauge(name, help, labels, function))

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> Histogram:
        """Register a histogram."""
        return self._add(Histogram(name, help, labels, buckets))

    def _add(self, metric: MetricT) -> MetricT:
        self._metrics[metric.name] = metric
        return metric

    def render(self, *, process: bool = True) -> str:
        """All metrics, and unless told otherwise the process's own, as text."""
        return "".join(metric.render() for metric in self._metrics.values()) + (_process() if process else "")


REGISTRY = Registry()


def _process() -> str:
    """What every exporter of Prometheus says of its process, and upstream's daemons of their build."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    rows = (
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            (int(fields[11]) + int(fields[12])) / ticks,
        ),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", int(fields[20])),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        ),
        (
            "process_open_fds",
            "gauge",
            "Number of open file descriptors.",
            sum(1 for _ in Path("/proc/self/fd").iterdir()),
        ),
        (
            "process_max_fds",
            "gauge",
            "Maximum number of open file descriptors.",
            resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            _STARTED,
        ),
    )
    lines = [f"# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {_shown(value)}" for name, kind, help, value in rows]
    build = _braces(
        ("git_version", "major", "minor", "platform"),
        (f"v1.32.0+kprov.{__version__}", "1", "32", f"{platform.system().lower()}/{platform.machine()}"),
    )
    lines.append(
        "# HELP kubernetes_build_info The release that runs, always 1.\n# TYPE kubernetes_build_info gauge\n"
        f"kubernetes_build_info{build} 1"
    )
    return "\n".join(lines) + "\n"
