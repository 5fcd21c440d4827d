"""What a Service was given is only given to others where its write was certainly not done."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.api import errors
from kprov.kube.apiserver.handlers.update import Update
from kprov.kube.apiserver.request import UserInfo, parse_request_info
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.storage.etcd import EtcdError, FateUnknown

SERVICES = RESOURCES["", "services"]


@pytest.mark.parametrize(
    ("failure", "given_back"),
    [
        (EtcdError("no leader"), True),
        (errors.conflict(SERVICES, "s"), True),
        (FateUnknown("the answer was lost"), False),
        (asyncio.CancelledError(), False),
    ],
)
async def test_failures_of_the_write(failure: BaseException, given_back: bool) -> None:
    undone = []

    async def undo() -> None:
        undone.append(True)

    async def write(*given: Any, **options: Any) -> None:
        update._allocation = SimpleNamespace(undo=undo)
        raise failure

    request: Any = SimpleNamespace(
        user=UserInfo("u"), warnings=[], info=parse_request_info("PUT", "/api/v1/namespaces/n/services/s", {})
    )
    parts: Any = SimpleNamespace(store=SimpleNamespace(update_entry=write))
    update = Update(parts, request, SERVICES, dry_run=False)
    with pytest.raises(type(failure)):
        await update.run(lambda current: current)
    assert bool(undone) is given_back
