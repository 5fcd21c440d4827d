from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fake_api_server import FakeApiServer

from kprov.kube.api.client import ApiClient


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer().serving() as running:
        yield running


@pytest.fixture
async def client(server: FakeApiServer) -> AsyncIterator[ApiClient]:
    made = ApiClient(server.url, timeout=60)
    yield made
    await made.close()
