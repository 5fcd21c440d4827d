"""Metrics in Prometheus' text format: counters, gauges and histograms with labels, and the process's own.

prometheus-client would cost every daemon more memory than all that these few lines do.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

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
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STARTED = time.time()

LabelValues = tuple[str, ...]
MetricT = TypeVar("MetricT", bound="Metric")


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
    """A number that only grows."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        self.values: dict[LabelValues, float] = {} if labels else {(): 0.0}

    def inc(self, *labels: str, by: float = 1.0) -> None:
        """Add to the series that these label values name."""
        self.values[labels] = self.values.get(labels, 0.0) + by

    def samples(self) -> Iterator[str]:
        """One line a series."""
        for labels, number in self.values.items():
            yield f"{self.name}{_braces(self.labels, labels)} {number:.12g}"


class Gauge(Counter):
    """A number that goes up and down, set or asked for when it is read."""

    kind = "gauge"

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), function: Callable[[], float] | None = None
    ) -> None:
        super().__init__(name, help, labels)
        self.function = function

    def set(self, number: float, *labels: str) -> None:
        """Set the series that these label values name."""
        self.values[labels] = number

    def samples(self) -> Iterator[str]:
        """One line a series."""
        if self.function:
            self.values[()] = self.function()
        yield from super().samples()


class Histogram(Metric):
    """How often an observation fell below each bound."""

    kind = "histogram"

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(buckets)
        self.series: dict[LabelValues, list[float]] = {}  # one count a bucket, then beyond, then the sum

    def observe(self, number: float, *labels: str) -> None:
        """Count one observation."""
        series = self.series.get(labels)
        if series is None:
            series = self.series[labels] = [0.0] * (len(self.buckets) + 2)
        series[bisect_left(self.buckets, number)] += 1
        series[-1] += number

    def samples(self) -> Iterator[str]:
        """Cumulative buckets, sum and count of each series."""
        for labels, series in self.series.items():
            total = 0.0
            for bound, count in zip((*map(str, self.buckets), "+Inf"), series, strict=False):
                total += count
                yield f"{self.name}_bucket{_braces((*self.labels, 'le'), (*labels, bound))} {total:.12g}"
            yield f"{self.name}_sum{_braces(self.labels, labels)} {series[-1]:.12g}"
            yield f"{self.name}_count{_braces(self.labels, labels)} {total:.12g}"


class Registry:
    """The metrics of one process."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """Register a counter."""
        return self._add(Counter(name, help, labels))

    def gauge(
        self, name: str, help: str, labels: Sequence[str] = (), function: Callable[[], float] | None = None
    ) -> Gauge:
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

    def render(self) -> str:
        """All metrics, and the process's own, as text."""
        return "".join(metric.render() for metric in self._metrics.values()) + _process()


REGISTRY = Registry()


def _process() -> str:
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    rows = (
        ("process_cpu_seconds_total", "counter", (int(fields[11]) + int(fields[12])) / ticks),
        ("process_resident_memory_bytes", "gauge", int(fields[21]) * os.sysconf("SC_PAGE_SIZE")),
        ("process_open_fds", "gauge", sum(1 for _ in Path("/proc/self/fd").iterdir())),
        ("process_start_time_seconds", "gauge", _STARTED),
    )
    return "".join(f"# TYPE {name} {kind}\n{name} {number:.12g}\n" for name, kind, number in rows)
