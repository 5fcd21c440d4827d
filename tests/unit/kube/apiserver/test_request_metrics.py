"""What the API server counts, and that no client chooses how many series there are."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict, MultiDict

from kprov.kube.api.metrics import Registry
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.inflight import InFlight
from kprov.kube.apiserver.request import UserInfo, parse_request_info
from kprov.kube.apiserver.request_metrics import RequestMetrics
from kprov.kube.apiserver.storage.etcd import EtcdError
from kprov.kube.apiserver.storage.etcd_metrics import FAILURES, REQUESTS, kind_of, timed
from kprov.kube.apiserver.watch_metrics import EVENTS, SIZES, told_of


def request(method: str, path: str, query: dict[str, str] | None = None, **headers: str) -> Request:
    parameters = MultiDict(query or {})
    return Request(
        method=method,
        path=path,
        raw_path=path,
        query=parameters,
        headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}),
        body=b"",
        peer_cert=None,
        remote="",
        user=UserInfo("somebody"),
        info=parse_request_info(method, path, parameters),
    )


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def metrics(registry: Registry) -> RequestMetrics:
    return RequestMetrics(registry, InFlight(1, 1))


@pytest.mark.parametrize(
    ("given", "status", "expected"),
    [
        (
            request("GET", "/api/v1/namespaces/x/pods/y"),
            200,
            'verb="GET",dry_run="",group="",version="v1",resource="pods",subresource="",scope="resource"',
        ),
        (
            request("GET", "/apis/apps/v1/deployments"),
            200,
            'verb="LIST",dry_run="",group="apps",version="v1",resource="deployments",subresource="",scope="cluster"',
        ),
        (
            request("POST", "/api/v1/namespaces/x/pods", {"dryRun": "All"}),
            409,
            'verb="CREATE",dry_run="All",group="",version="v1",resource="pods",subresource="",scope="namespace"',
        ),
        (
            request("PATCH", "/api/v1/nodes/n/status", content_type="application/apply-patch+yaml"),
            200,
            'verb="APPLY",dry_run="",group="",version="v1",resource="nodes",subresource="status",scope="resource"',
        ),
        (
            request("GET", "/api/v1/namespaces/x/pods/y/exec"),
            0,
            'verb="CONNECT",dry_run="",group="",version="v1",resource="pods",subresource="exec",scope="resource"',
        ),
    ],
)
def test_a_request_is_counted_by_what_it_asks(
    registry: Registry, metrics: RequestMetrics, given: Request, status: int, expected: str
) -> None:
    metrics.observe(given, status, 0.01)
    assert (
        f'apiserver_request_total{{{expected},component="apiserver",code="{status or 101}"}} 1\n' in registry.render()
    )


def test_what_is_not_served_makes_no_series_of_its_own(registry: Registry, metrics: RequestMetrics) -> None:
    for number in range(50):
        metrics.observe(request("GET", f"/apis/group{number}/v1/things"), 404, 0.01)
        metrics.observe(request("GET", f"/api/v1/things{number}"), 403, 0.01)
        metrics.observe(request("GET", f"/api/v{number + 2}/pods"), 404, 0.01)
        metrics.observe(request("GET", f"/api/v1/namespaces/x/pods/y/part{number}"), 404, 0.01)
        metrics.observe(request("GET", f"/nowhere/{number}"), 404, 0.01)
        metrics.observe(request(f"VERB{number}", "/nowhere"), 404, 0.01)
    lines = [line for line in registry.render().splitlines() if line.startswith("apiserver_request_total")]
    assert len(lines) <= 5, lines


def test_a_stream_counts_as_long_as_it_lasts(registry: Registry, metrics: RequestMetrics) -> None:
    ended = metrics.opened(request("GET", "/api/v1/pods", {"watch": "true"}))
    series = (
        'apiserver_longrunning_requests{verb="WATCH",group="",version="v1",resource="pods",subresource="",'
        'scope="cluster",component="apiserver"}'
    )
    assert f"{series} 1\n" in registry.render()
    ended()
    assert f"{series} 0\n" in registry.render()


def test_kinds_are_known_by_their_keys() -> None:
    assert kind_of(b"/registry/pods/default/web-0") == "pods"
    assert kind_of(b"/registry/pods/") == "pods"
    assert kind_of(b"/registry/minions/n") == "nodes"
    assert kind_of(b"/registry/services/specs/default/web") == "services"
    assert kind_of(b"/registry/services/endpoints/default/web") == "endpoints"
    assert kind_of(b"/registry/deployments/default/web") == "deployments.apps"
    assert kind_of(b"/registry/nothing/like/this") == ""
    assert kind_of(b"compact_rev_key") == ""


def test_a_failed_request_to_etcd_is_counted_as_one() -> None:
    before = REQUESTS.values.get(("get", "pods"), 0), FAILURES.values.get(("get", "pods"), 0)
    with pytest.raises(EtcdError), timed("get", b"/registry/pods/x/y"):
        raise EtcdError("no")
    with timed("get", b"/registry/pods/x/y"):
        pass
    assert REQUESTS.values[("get", "pods")] == before[0] + 2
    assert FAILURES.values[("get", "pods")] == before[1] + 1


def test_sizes_of_what_is_read_are_kept(registry: Registry, metrics: RequestMetrics) -> None:
    metrics.observe(request("GET", "/api/v1/namespaces/x/pods/y"), 200, 0.01, 1_500)
    metrics.observe(request("GET", "/api/v1/pods"), 200, 0.01, 2_000_000)
    metrics.observe(request("POST", "/api/v1/namespaces/x/pods"), 201, 0.01, 1_500)
    metrics.observe(request("GET", "/api/v1/pods", {"watch": "true"}), 200, 0.01)
    text = registry.render()
    one = 'verb="GET",group="",version="v1",resource="pods",subresource="",scope="resource",component="apiserver"'
    all_ = 'verb="LIST",group="",version="v1",resource="pods",subresource="",scope="cluster",component="apiserver"'
    assert f'apiserver_response_sizes_bucket{{{one},le="1000"}} 0\n' in text
    assert f'apiserver_response_sizes_bucket{{{one},le="10000"}} 1\n' in text
    assert f"apiserver_response_sizes_sum{{{all_}}} 2000000\n" in text
    assert text.count("apiserver_response_sizes_count{") == 2


def test_what_is_turned_away_is_counted(registry: Registry, metrics: RequestMetrics) -> None:
    metrics.terminated(request("PUT", "/api/v1/namespaces/x/pods/y"), 429)
    labels = 'verb="UPDATE",group="",version="v1",resource="pods",subresource="",scope="resource",component="apiserver"'
    assert f'apiserver_request_terminations_total{{{labels},code="429"}} 1\n' in registry.render()


def test_an_event_counts_once_for_each_who_is_told() -> None:
    told = told_of("apps", "v1", "Gadget")
    told(1_500, 1_000)
    told(3_000, 1)
    labels = ("apps", "v1", "Gadget")
    assert EVENTS.values[labels] == 1_001
    lines = list(SIZES.samples())
    series = 'group="apps",version="v1",kind="Gadget"'
    assert f'apiserver_watch_events_sizes_bucket{{{series},le="1024"}} 0' in lines
    assert f'apiserver_watch_events_sizes_bucket{{{series},le="2048"}} 1000' in lines
    assert f"apiserver_watch_events_sizes_sum{{{series}}} 1503000" in lines
