"""One probe, once: exec, HTTP, TCP and gRPC."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urljoin, urlsplit

from kprov.kube.kubelet.cri.client import Runtime, RuntimeFailure

OUTPUT_LIMIT = 10 * 1024


class Checker:
    """Runs probes. Every check returns (passed, what it said)."""

    def __init__(self, runtime: Runtime) -> None:
        """``runtime`` runs the commands."""
        self._runtime = runtime
        self._session: Any = None

    async def check(
        self, probe: dict[str, Any], container: dict[str, Any], container_id: str, address: str
    ) -> tuple[bool, str]:
        """Run one probe against a container with that id and pod address."""
        timeout = float(probe.get("timeoutSeconds") or 1)
        if "exec" in probe:
            return await self._exec(container_id, probe["exec"].get("command") or [], timeout)
        if "httpGet" in probe:
            return await self.http(probe["httpGet"], container, address, timeout)
        if "tcpSocket" in probe:
            wanted = probe["tcpSocket"]
            return await _tcp(wanted.get("host") or address, port_number(wanted["port"], container), timeout)
        if "grpc" in probe:
            return await _grpc(
                f"{_bracketed(address)}:{probe['grpc']['port']}", probe["grpc"].get("service") or "", timeout
            )
        return False, "missing probe handler"

    async def _exec(self, container_id: str, command: list[str], timeout: float) -> tuple[bool, str]:
        try:
            code, out, err = await self._runtime.exec_sync(container_id, command, timeout)
        except RuntimeFailure as failure:
            if failure.code == "DEADLINE_EXCEEDED":
                return False, f'command "{" ".join(command)}" timed out'
            return False, failure.message
        return code == 0, (out + err)[:OUTPUT_LIMIT].decode(errors="replace")

    async def http(
        self, wanted: dict[str, Any], container: dict[str, Any], address: str, timeout: float
    ) -> tuple[bool, str]:
        """GET the URL; 2xx and 3xx pass. Redirects are followed on the same host only."""
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(force_close=True, ssl=False, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        scheme = (wanted.get("scheme") or "HTTP").lower()
        host = _bracketed(wanted.get("host") or address)
        url = f"{scheme}://{host}:{port_number(wanted['port'], container)}/{(wanted.get('path') or '/').lstrip('/')}"
        headers = {"User-Agent": "kube-probe/1.32", "Accept": "*/*"}
        for header in wanted.get("httpHeaders") or []:
            headers[header["name"]] = header["value"]
        try:
            async with asyncio.timeout(timeout):
                for _ in range(10):
                    async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                        place = answer.headers.get("Location")
                        if answer.status in (301, 302, 303, 307, 308) and place:
                            target = urljoin(url, place)
                            if urlsplit(target).hostname != urlsplit(url).hostname:
                                return True, "Probe terminated redirects"
                            url = target
                            continue
                        body = await answer.content.read(OUTPUT_LIMIT)
                        if 200 <= answer.status < 400:
                            return True, body.decode(errors="replace")
                        return False, f"HTTP probe failed with statuscode: {answer.status}"
                return False, f'Get "{url}": stopped after 10 redirects'
        except TimeoutError:
            return False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return False, f'Get "{url}": {error}'

    async def close(self) -> None:
        """Close what HTTP probes opened."""
        if self._session is not None:
            await self._session.close()


def port_number(port: int | str, container: dict[str, Any]) -> int:
    """A port by number or by the container's name for it; raises ValueError."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for each in container.get("ports") or []:
        if each.get("name") == port:
            return int(each["containerPort"])
    raise ValueError(f"container {container['name']} has no port named {port!r}")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


async def _tcp(host: str, port: int, timeout: float) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return False, f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return False, f"dial tcp {host}:{port}: {error.strerror or error}"
    writer.close()
    return True, ""


async def _grpc(target: str, service: str, timeout: float) -> tuple[bool, str]:
    """grpc.health.v1.Health/Check: one string in, one enum out, written by hand."""
    import grpc
    import grpc.aio

    name = service.encode()
    request = b"\x0a" + bytes([len(name)]) + name if name else b""
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=lambda data: data,
            response_deserializer=lambda data: data,
        )
        try:
            answer = await call(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return False, f"error: health rpc failed: {error.details()}"
    serving = answer[:2] == b"\x08\x01"
    return serving, "service healthy" if serving else "service unhealthy (responded with NOT_SERVING)"
