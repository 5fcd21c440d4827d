from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from fake_api_server import FakeApiServer, status

from kprov.kube.api import leases
from kprov.kube.api.client import ApiClient
from kprov.kube.api.leases import LeaderElector, LeadershipLost

PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/l"


def elector(client: ApiClient, identity: str, **times: float) -> LeaderElector:
    settings = {"lease_duration": 1.0, "renew_deadline": 0.5, "retry_period": 0.05, **times}
    return LeaderElector(client, "kube-system", "l", identity, **settings)


async def forever() -> None:
    await asyncio.Event().wait()


async def test_one_leads_and_the_next_follows_a_clean_stop(server: FakeApiServer, client: ApiClient) -> None:
    one, two = elector(client, "one", lease_duration=60), elector(client, "two", lease_duration=60)
    first = asyncio.create_task(one.run(forever))
    await server.until(lambda: one.is_leader)
    second = asyncio.create_task(two.run(forever))
    await server.until(lambda: two.leader == "one")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await server.until(lambda: two.is_leader, "the lease was not given back")
    assert server.objects[PATH]["spec"]["leaseTransitions"] == 1
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_a_claim_ages_by_the_observers_clock(server: FakeApiServer, client: ApiClient) -> None:
    # the dead leader's clock is years ahead: that must not keep its claim alive
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 1, "renewTime": "2199-01-01T00:00:00.000000Z"}
    await server.put(PATH, {"metadata": {"name": "l", "namespace": "kube-system"}, "spec": spec})
    mine = elector(client, "mine")
    began = asyncio.get_running_loop().time()
    task = asyncio.create_task(mine.run(forever))
    await server.until(lambda: mine.is_leader)
    assert asyncio.get_running_loop().time() - began >= 0.9
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_machine_whose_time_jumps_leads_on_and_takes_nothing_from_others(
    server: FakeApiServer, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = itertools.cycle(["2199-01-01T00:00:00.000000Z", "1999-01-01T00:00:00.000000Z"])
    monkeypatch.setattr(leases, "now_micro", lambda: next(stamps))
    monkeypatch.setattr(time, "time", lambda: float(next(stamps)[:4]) * 3.1e7)
    # No bound here is near what a busy machine needs for one renewal.
    one, two = (elector(client, name, lease_duration=60, renew_deadline=30) for name in ("one", "two"))
    first = asyncio.create_task(one.run(forever))
    await server.until(lambda: one.is_leader)
    second = asyncio.create_task(two.run(forever))
    written = server.objects[PATH]["metadata"]["resourceVersion"]
    await server.until(lambda: int(server.objects[PATH]["metadata"]["resourceVersion"]) > int(written) + 6)
    assert not first.done() and one.is_leader and not two.is_leader
    assert server.objects[PATH]["spec"]["leaseTransitions"] == 0
    for task in (second, first):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)


async def test_a_lease_that_cannot_be_renewed_is_lost(server: FakeApiServer, client: ApiClient) -> None:
    mine = elector(client, "mine")
    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await forever()
        finally:
            stopped.set()

    task = asyncio.create_task(mine.run(work))
    await server.until(lambda: mine.is_leader)
    server.fault = lambda request: status(503, "ServiceUnavailable")
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(task, 60)
    assert stopped.is_set()


async def test_a_lease_taken_by_another_is_lost(server: FakeApiServer, client: ApiClient) -> None:
    mine = elector(client, "mine")
    task = asyncio.create_task(mine.run(forever))
    await server.until(lambda: mine.is_leader)
    lease = server.objects[PATH]
    await server.put(
        PATH, {**lease, "metadata": dict(lease["metadata"]), "spec": {**lease["spec"], "holderIdentity": "o"}}
    )
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(task, 60)
