"""Whom the file of client authorities names is believed from then on, and nobody else, on open connections too."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kprov.kube.api import server_tls
from kprov.kube.api.client_authorities import Authorities, certificates_in
from kprov.kube.api.delegated_auth import DelegatedAuthenticator, DelegatedAuthorizer
from kprov.kube.api.metrics import Registry
from kprov.kube.api.serving import HealthServer
from kprov.kube.api.trusted_clients import TrustedClients
from kprov.lab.control_plane.authority import Authority

_SECONDS = 60.0


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Two authorities, each with an administrator's certificate; what is returned makes the file of some of them."""
    monkeypatch.setattr(server_tls, "_CHECK_SECONDS", 0.01)
    for name in ("old", "new"):
        Authority(tmp_path / name).issue("client", "admin", "system:masters")
    bundle = tmp_path / "client-ca.crt"

    def trust(*names: str) -> Path:
        whole = tmp_path / "client-ca.new"
        whole.write_text("".join((tmp_path / name / "ca.crt").read_text() for name in names))
        whole.rename(bundle)
        return bundle

    return trust


def _session(folder: Path | None) -> aiohttp.ClientSession:
    """A client that keeps one connection, and shows the certificate in a folder."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if folder is not None:
        context.load_cert_chain(folder / "client.crt", folder / "client.key")
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=1))


async def _until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    end = time.monotonic() + _SECONDS
    while not await true():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


@pytest.fixture
async def ask(port: int, tmp_path: Path) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """Asks for /metrics on a connection that stays open; "none" shows no certificate."""
    sessions: dict[str, aiohttp.ClientSession] = {}

    async def code(who: str) -> int:
        name = who.removeprefix("another ")
        if who not in sessions:
            sessions[who] = _session(tmp_path / name if name != "none" else None)
        async with sessions[who].get(f"https://127.0.0.1:{port}/metrics") as answer:
            await answer.read()
            return answer.status

    yield code
    for session in sessions.values():
        await session.close()


@pytest.mark.parametrize("made", ["by itself", "in files"])
async def test_an_authority_that_is_taken_out_is_trusted_no_longer(
    made: str, people: Callable[..., Path], ask: Callable[[str], Awaitable[int]], port: int, tmp_path: Path
) -> None:
    clients = TrustedClients(str(people("old")))
    files: dict[str, Any] = {"secure": True}
    if made == "in files":
        Authority(tmp_path / "serving").issue("tls", "scheduler", addresses=("127.0.0.1",))
        files = {"certificate": str(tmp_path / "serving/tls.crt"), "key": str(tmp_path / "serving/tls.key")}
    server = HealthServer(
        "127.0.0.1",
        port,
        clients=clients,
        authenticator=DelegatedAuthenticator(None, clients=clients),
        authorizer=DelegatedAuthorizer(None),
        registry=Registry(),
        **files,
    )
    async with server.serving():
        assert (await ask("old"), await ask("none")) == (200, 403)
        with pytest.raises(aiohttp.ClientError):
            await ask("new")
        people("old", "new")

        async def new_is_taken() -> bool:
            try:
                return await ask("new") == 200
            except aiohttp.ClientError:
                return False

        await _until(new_is_taken, "the new authority is not trusted")
        assert await ask("old") == 200
        people("new")

        async def old_is_refused() -> bool:
            return await ask("old") == 401

        await _until(old_is_refused, "a connection that is open is still taken for the administrator's")
        assert (await ask("new"), await ask("none")) == (200, 403)
        with pytest.raises(aiohttp.ClientError):
            await ask("another old")


async def test_a_damaged_file_changes_nothing(
    people: Callable[..., Path], ask: Callable[[str], Awaitable[int]], port: int
) -> None:
    bundle = people("old")
    clients = TrustedClients(str(bundle))
    server = HealthServer(
        "127.0.0.1",
        port,
        secure=True,
        clients=clients,
        authenticator=DelegatedAuthenticator(None, clients=clients),
        authorizer=DelegatedAuthorizer(None),
        registry=Registry(),
    )
    async with server.serving():
        assert await ask("old") == 200
        for content in ("", "nonsense", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"):
            bundle.write_text(content)
            with pytest.raises(ssl.SSLError):
                clients.read()
            assert (await ask("old"), await ask("another old")) == (200, 200)
        bundle.unlink()
        with pytest.raises(OSError, match=r"client-ca\.crt"):
            clients.read()
        assert await ask("old") == 200
        people("new")

        async def old_is_refused() -> bool:
            return await ask("old") == 401

        await _until(old_is_refused, "the file is not read again after it was damaged")


class _Session:
    def __init__(self, der: bytes) -> None:
        self._der = der
        self._sslobj = self

    def getpeercert(self, binary: bool) -> bytes:
        assert binary
        return self._der

    def get_verified_chain(self) -> list[bytes]:
        return []


class _Transport(asyncio.Transport):
    def __init__(self, der: bytes, ends: datetime.datetime) -> None:
        peer = {"subject": ((("commonName", "admin"),),), "notAfter": f"{ends:%b %d %H:%M:%S %Y} GMT"}
        super().__init__({"ssl_object": _Session(der), "peercert": peer})


@pytest.mark.parametrize(("hours", "counts"), [(1, True), (-1, False)])
def test_a_certificate_that_has_come_to_its_end_counts_no_longer(
    hours: int, counts: bool, people: Callable[..., Path], tmp_path: Path
) -> None:
    clients = TrustedClients(str(people("old")))
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "old" / "client.crt").read_text())
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    assert not clients.certificate(_Transport(der, ends))[1], "nobody is trusted before the file is read"
    clients.read()
    peer, trusted = clients.certificate(_Transport(der, ends))
    assert peer is not None and trusted is counts
    assert clients.certificate(None) == (None, False)


async def test_who_is_not_believed_may_still_show_a_token(people: Callable[..., Path], tmp_path: Path) -> None:
    clients = TrustedClients(str(people("new")))
    clients.read()
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "old" / "client.crt").read_text())
    transport = _Transport(der, datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1))

    class Reviewer:
        async def create(self, *_: Any) -> dict[str, Any]:
            return {"status": {"authenticated": True, "user": {"username": "ann"}}}

    asking = DelegatedAuthenticator(Reviewer(), clients=clients)  # type: ignore[arg-type]
    assert await asking.authenticate({}, transport) is None
    user = await asking.authenticate({"Authorization": "Bearer t"}, transport)
    assert user is not None and user.name == "ann"


def test_what_was_found_good_is_forgotten_with_its_authority(people: Callable[..., Path], tmp_path: Path) -> None:
    old, new = (certificates_in((tmp_path / name / "ca.crt").read_bytes()) for name in ("old", "new"))
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "old" / "client.crt").read_text())
    authorities = Authorities(old)
    assert authorities.vouch_for(der) and authorities.vouch_for(der)
    authorities.replace(new)
    assert not authorities.vouch_for(der)
    end = ssl.PEM_cert_to_DER_cert((tmp_path / "new" / "ca.crt").read_text())
    assert authorities.vouch_for(der, lambda: (der, end))
    authorities.replace(old)
    assert authorities.vouch_for(der), "a signature tells it where the chain is not known"
