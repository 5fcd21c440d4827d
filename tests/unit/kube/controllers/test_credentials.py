"""One service account a controller: tokens asked for, renewed, and asked for again after the account was made anew."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kprov.kube.api import clock
from kprov.kube.api.kinds import SERVICE_ACCOUNTS
from kprov.kube.api.kubeconfig import Credentials, Material
from kprov.kube.controllers import credentials
from kprov.kube.controllers.credentials import AccountClients


@pytest.fixture
def root(cluster) -> Any:
    """The cluster as the daemon's own client sees it."""
    cluster.credentials = Credentials("http://127.0.0.1:1", Material(), Material(), Material())
    cluster.user_agent = "test"
    cluster.issued = 0

    async def create_subresource(resource, name, namespace, subresource, obj):
        assert (resource, subresource) == (SERVICE_ACCOUNTS, "token")
        assert cluster.find(SERVICE_ACCOUNTS, name, namespace)
        cluster.issued += 1
        end = clock.format_time(clock.seconds() + obj["spec"]["expirationSeconds"])
        return {**obj, "status": {"token": f"{name}-{cluster.issued}", "expirationTimestamp": end}}

    cluster.create_subresource = create_subresource
    return cluster


async def test_accounts_are_made_and_tokens_given_and_renewed(bench, cluster, root, monkeypatch):
    monkeypatch.setattr(credentials, "LOOK_EVERY", 0.01)
    accounts = AccountClients(root)
    assert accounts.client_for("") is root
    client = accounts.client_for("job-controller")
    assert accounts.client_for("job-controller") is client
    await accounts.prepare()
    assert cluster.find(SERVICE_ACCOUNTS, "job-controller", "kube-system")
    assert client.credentials.bearer() == "job-controller-1"
    informer = bench.context.informer(SERVICE_ACCOUNTS)
    await bench.informers.start()
    await informer.wait_synced()
    task = asyncio.create_task(accounts.keep_fresh(informer))
    try:
        # The machine's time says nothing of a token's: set on by a year, nobody hurries.
        now = clock.steady()
        monkeypatch.setattr(clock, "seconds", lambda: 4e9)
        monkeypatch.setattr(clock, "steady", lambda: now + 2800)
        assert client.credentials.bearer() == "job-controller-1"
        monkeypatch.setattr(clock, "steady", lambda: now + 3000)
        await bench.until(lambda: client.credentials.bearer() == "job-controller-2")
        await cluster.delete(SERVICE_ACCOUNTS, "job-controller", "kube-system")
        await bench.until(lambda: client.credentials.bearer() == "job-controller-3")
        assert cluster.find(SERVICE_ACCOUNTS, "job-controller", "kube-system")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await accounts.close()
