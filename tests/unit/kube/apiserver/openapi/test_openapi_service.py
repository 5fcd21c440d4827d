"""Who asks for the OpenAPI documents while kinds come and go: gets them, new enough, after two builds at most."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys

import pytest

from kprov.kube.apiserver.openapi import service
from kprov.kube.apiserver.openapi.build import Documents
from kprov.kube.apiserver.openapi.remote import RemoteDocument
from kprov.kube.apiserver.openapi.service import OpenApi, schemas_changed


class Builds:
    """Builds that end when they are told to. Each says in its document which it was."""

    def __init__(self) -> None:
        self.ends: list[asyncio.Future[None]] = []
        self.begun = asyncio.Condition()

    async def build(self, _remotes: list[RemoteDocument]) -> Documents:
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self.begun:
            self.ends.append(end)
            number = len(self.ends)
            self.begun.notify_all()
        await end
        return Documents(gzip.compress(str(number).encode()), b"", {})

    async def until(self, number: int) -> asyncio.Future[None]:
        """The end of a build, once it has begun."""
        async with self.begun:
            await self.begun.wait_for(lambda: len(self.ends) >= number)
        return self.ends[number - 1]


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Builds:
    made = Builds()
    monkeypatch.setattr(service, "_build", made.build)
    return made


async def ask(documents: OpenApi) -> int:
    return int(gzip.decompress((await documents.v2_json()).gzipped))


async def test_who_asks_while_kinds_change_waits_for_two_builds_at_most(builds: Builds) -> None:
    documents = OpenApi()
    early = asyncio.create_task(ask(documents))
    first = await builds.until(1)
    schemas_changed()
    late = asyncio.create_task(ask(documents))
    await asyncio.sleep(0)
    assert len(builds.ends) == 1  # one at a time
    first.set_result(None)
    assert await early == 1  # as old as the question
    second = await builds.until(2)
    schemas_changed()
    second.set_result(None)
    assert await late == 2
    third = asyncio.create_task(ask(documents))  # what came of the second build is old, and nobody gets it any more
    (await builds.until(3)).set_result(None)
    assert await third == 3
    assert await ask(documents) == 3 and len(builds.ends) == 3


async def test_a_build_that_fails_is_told_and_done_anew(builds: Builds) -> None:
    documents = OpenApi()
    asked = asyncio.create_task(ask(documents))
    (await builds.until(1)).set_exception(RuntimeError("no memory"))
    with pytest.raises(RuntimeError, match="no memory"):
        await asked
    again = asyncio.create_task(ask(documents))
    (await builds.until(2)).set_result(None)
    assert await again == 2


async def test_who_goes_away_stops_nobody_elses_build(builds: Builds) -> None:
    documents = OpenApi()
    impatient, patient = (asyncio.create_task(ask(documents)) for _ in range(2))
    end = await builds.until(1)
    impatient.cancel()
    await asyncio.wait([impatient])
    end.set_result(None)
    assert await patient == 1 and len(builds.ends) == 1


def test_the_program_that_builds_loads_no_clients_and_servers() -> None:
    """It starts anew for every change of the kinds: a client of HTTP alone doubled what that cost."""
    said = subprocess.run(
        [sys.executable, "-c", "import kprov.kube.apiserver.openapi.documents, sys; print(*sys.modules)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert not {"aiohttp", "asyncio", "ssl", "grpc"} & set(said.stdout.split())
