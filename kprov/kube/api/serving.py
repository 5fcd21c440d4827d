"""The small HTTPS server of a daemon: /healthz, /livez, /readyz, /metrics and /version.

Health is readable by anybody; the rest asks the API server who it is and whether they may, where a daemon says so.
The serving certificate and whom to believe are read again when their files change. Without a certificate, one is made
at the start, as upstream does.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

import aiohttp
from aiohttp import web

from kprov import __version__
from kprov.kube.api.cipher_suites import STRONG
from kprov.kube.api.delegated_auth import DelegatedAuthenticator, DelegatedAuthorizer
from kprov.kube.api.errors import ApiError
from kprov.kube.api.metrics import CONTENT_TYPE, REGISTRY, Registry
from kprov.kube.api.server_tls import ServerTLS
from kprov.kube.api.trusted_clients import TrustedClients

Check = Callable[[], bool | str | Awaitable[bool | str | None] | None]
"""A health check: true or None is well; false, or a text that says why, is not; an exception is not, either."""


@contextlib.contextmanager
def self_signed(name: str) -> Iterator[tuple[str, str]]:
    """The files of a certificate of one's own making and its key, which are in memory alone, while the body runs.

    They are made by the openssl program: cryptography would stay in memory.

    Raises:
        OSError, subprocess.CalledProcessError: the program is missing or fails.
    """
    descriptors = [os.memfd_create(file) for file in ("tls.crt", "tls.key")]
    try:
        certificate, key = (f"/proc/self/fd/{each}" for each in descriptors)
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"]
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365"]
        command = ["openssl", "req", "-x509", *kind, *subject, "-keyout", key, "-out", certificate]
        subprocess.run(command, check=True, capture_output=True, pass_fds=descriptors)
        yield certificate, key
    finally:
        for each in descriptors:
            os.close(each)


class HealthServer:
    """Serves a daemon's health and metrics.

    Args:
        address: where to listen.
        port: 0 turns the server off.
        certificate, key: the serving certificate; both empty for plain http or, with `secure`, a self-made one.
        secure: TLS even without a certificate given.
        clients: whose certificates are believed.
        authenticator, authorizer: who may read what is not health; without them, anybody.
        live, ready: checks by name; /livez runs the first, /readyz both, /healthz as /livez.
        registry: the metrics to show.
        handlers: more GET paths.
    """

    def __init__(
        self,
        address: str,
        port: int,
        *,
        certificate: str = "",
        key: str = "",
        secure: bool = False,
        clients: TrustedClients | None = None,
        authenticator: DelegatedAuthenticator | None = None,
        authorizer: DelegatedAuthorizer | None = None,
        live: Mapping[str, Check] | None = None,
        ready: Mapping[str, Check] | None = None,
        registry: Registry = REGISTRY,
        handlers: Mapping[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] | None = None,
    ) -> None:
        self.address, self.port = address, port
        self.live: dict[str, Check] = {"ping": lambda: True, **(live or {})}
        self.ready: dict[str, Check] = {**self.live, **(ready or {})}
        self._certificate, self._key, self._secure = certificate, key, secure
        self._clients = clients
        self._authenticator, self._authorizer = authenticator, authorizer
        self._registry = registry
        self._handlers = dict(handlers or {})

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the body runs.

        Raises:
            OSError: the port cannot be had, or a certificate cannot be read.
        """
        if self.port == 0:
            yield
            return
        with contextlib.ExitStack() as stack:
            tls = await asyncio.to_thread(self._tls, stack)
            following = asyncio.create_task(tls.follow()) if tls is not None else None
            runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=2.0)
            await runner.setup()
            try:
                host = None if self.address in ("0.0.0.0", "::", "") else self.address  # noqa: S104 - all addresses
                await web.TCPSite(runner, host, self.port, ssl_context=tls.context if tls else None).start()
                yield
            finally:
                if following:
                    following.cancel()
                await runner.cleanup()

    def _tls(self, stack: contextlib.ExitStack) -> ServerTLS | None:
        """TLS as this server has it, with what it needs on the stack."""
        certificate, key, clients = self._certificate, self._key, self._clients
        if not certificate and not self._secure:
            return None
        if not certificate:
            certificate, key = stack.enter_context(self_signed("localhost"))
        if clients is None:
            return ServerTLS(certificate, key, ciphers=STRONG)
        clients.read()
        return ServerTLS(certificate, key, [clients.path], ciphers=STRONG, changed=clients.read)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="only GET is served\n")
        path = request.path
        if refusal := await self._refusal(request, path):
            return refusal
        for prefix, checks in (("/healthz", self.live), ("/livez", self.live), ("/readyz", self.ready)):
            if path == prefix or path.startswith(prefix + "/"):
                return await _health(request, prefix, path[len(prefix) + 1 :], checks)
        if path == "/metrics":
            return web.Response(text=self._registry.render(), headers={"Content-Type": CONTENT_TYPE})
        if path == "/version":
            return web.json_response({"major": "1", "minor": "32", "gitVersion": f"v1.32.0+kprov.{__version__}"})
        if handler := self._handlers.get(path):
            return await handler(request)
        return web.Response(status=404, text="404 page not found\n")

    async def _refusal(self, request: web.BaseRequest, path: str) -> web.Response | None:
        if self._authorizer is None or path in ("/healthz", "/livez", "/readyz"):
            return None
        try:
            asking = self._authenticator
            user = await asking.authenticate(request.headers, request.transport) if asking is not None else None
            if user is None:
                return web.Response(status=401, text="Unauthorized\n")
            if not await self._authorizer.allows_path(user, "get", path):
                text = f'forbidden: User "{user.name}" cannot get path "{path}"\n'
                return web.Response(status=403, text=text)
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            return web.Response(status=500, text=f"Internal Server Error: the API server cannot be asked: {error}\n")
        return None


async def _health(request: web.BaseRequest, prefix: str, name: str, checks: Mapping[str, Check]) -> web.Response:
    """Run the checks: ``ok``, or 500 with a line for each; one check alone under its name; all lines with ?verbose."""
    excluded = set(request.query.getall("exclude", []))
    wanted = {name: checks[name]} if name in checks else checks
    if name and name not in checks:
        return web.Response(status=404, text="404 page not found\n")
    lines, failed = [], False
    for each, check in wanted.items():
        if each in excluded:
            lines.append(f"[+]{each} excluded: ok")
            continue
        reason = await _run(check)
        failed = failed or bool(reason)
        lines.append(f"[-]{each} failed: {reason}" if reason else f"[+]{each} ok")
    verdict = f"{prefix[1:]} check {'failed' if failed else 'passed'}"
    if failed:
        return web.Response(status=500, text="\n".join([*lines, verdict]) + "\n")
    return web.Response(text="\n".join([*lines, verdict]) + "\n" if "verbose" in request.query else "ok")


async def _run(check: Check) -> str:
    """Why a check fails; empty where it does not."""
    try:
        answer = check()
        if inspect.isawaitable(answer):
            answer = await answer
    except Exception as error:
        return str(error) or type(error).__name__
    if answer is None or answer is True:
        return ""
    return answer if isinstance(answer, str) else "not well"
