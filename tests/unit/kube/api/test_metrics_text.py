"""The text that Prometheus reads, and what the shared rooms count."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kprov.kube.api.metrics import REGISTRY, Registry
from kprov.kube.api.workqueue import WorkQueue


def values(registry: Registry, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of a name, by their labels, as Prometheus' own library reads them."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(registry.render())
        for sample in family.samples
        if sample.name == name
    }


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_counters_gauges_and_histograms_are_read_as_they_were_meant(registry: Registry) -> None:
    registry.counter("requests_total", "Requests.", ("code",)).inc('a "b"\n\\')
    registry.gauge("depth", "Depth.", ("name",), lambda: {("x",): 2.0, ("y",): 0.5})
    registry.gauge("since", "A moment.").set(1763741234.567891)
    seconds = registry.histogram("seconds", "Seconds.", ("verb",), (0.1, 1.0))
    for each in (0.05, 0.1, 0.5, 7):
        seconds.observe(each, "GET")
    assert values(registry, "requests_total") == {(("code", 'a "b"\n\\'),): 1}
    assert values(registry, "depth") == {(("name", "x"),): 2, (("name", "y"),): 0.5}
    assert values(registry, "since") == {(): 1763741234.567891}
    assert values(registry, "seconds_bucket") == {
        (("le", bound), ("verb", "GET")): count for bound, count in (("0.1", 2), ("1", 3), ("+Inf", 4))
    }
    assert values(registry, "seconds_sum") == {(("verb", "GET"),): pytest.approx(7.65)}


def test_every_process_says_what_it_uses_and_what_it_is(registry: Registry) -> None:
    for name in (
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ):
        assert values(registry, name)[()] > 0, name
    ((labels, one),) = values(registry, "kubernetes_build_info").items()
    assert one == 1
    assert dict(labels)["git_version"].startswith("v1.")


async def test_a_work_queue_tells_what_waits_and_what_is_worked_on() -> None:
    mine = (("name", "test-queue"),)
    queue = WorkQueue("test-queue", base_delay=0.001)
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert values(REGISTRY, "workqueue_adds_total")[mine] == 2
    assert values(REGISTRY, "workqueue_depth")[mine] == 2
    await queue.get()
    assert values(REGISTRY, "workqueue_depth")[mine] == 1
    assert values(REGISTRY, "workqueue_queue_duration_seconds_count")[mine] == 1
    assert values(REGISTRY, "workqueue_longest_running_processor_seconds")[mine] > 0
    queue.add_rate_limited("a")
    queue.done("a")
    assert values(REGISTRY, "workqueue_retries_total")[mine] == 1
    assert values(REGISTRY, "workqueue_work_duration_seconds_count")[mine] == 1
    assert values(REGISTRY, "workqueue_unfinished_work_seconds")[mine] == 0
    queue.shut_down()
    del queue
    await asyncio.sleep(0)
    assert mine not in values(REGISTRY, "workqueue_depth")


def test_bounds_are_written_as_upstreams_daemons_write_them(registry: Registry) -> None:
    bounds = (0.0, 0.00001, 0.005, 0.5, 1.0, 1.25, 60.0, 86400.0, 131072, 1e6, 1_048_576, 2_592_000.0, 1e9)
    registry.histogram("sizes", "Sizes.", (), bounds).observe(3)
    shown = [line.split('"')[1] for line in registry.render().splitlines() if line.startswith("sizes_bucket")]
    assert shown == ["0", "1e-05", "0.005", "0.5", "1", "1.25", "60", "86400", "131072", "1e+06", "1.048576e+06",
                     "2.592e+06", "1e+09", "+Inf"]  # fmt: skip
