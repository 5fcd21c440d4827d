"""Calls webhooks: where they are, how they are trusted, what they are asked and what they answer."""

from __future__ import annotations

import base64
import binascii
import ssl
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from kprov.kube.api.authorities import trust_each
from kprov.kube.apiserver.services.failures import CallFailed
from kprov.kube.apiserver.services.resolving import ServiceResolver, Unresolved, authority

Object = dict[str, Any]
_LARGEST_ANSWER = 32 << 20


@lru_cache(maxsize=64)
def _trusting(bundle: str) -> ssl.SSLContext:
    """TLS that trusts a bundle of authorities (PEM in base64), or the machine's own where there is none."""
    try:
        return trust_each(ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None))
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError, ValueError):
        raise CallFailed("its caBundle is no certificate in PEM") from None


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise CallFailed(f"its answer has more than {_LARGEST_ANSWER} bytes")
    return bytes(body)


def told(error: Exception) -> str:
    """Why another server could not be spoken to, for whoever must mend it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"dial tcp {authority(error.host, error.port or 0)}: {error.os_error.strerror or error.os_error}"
    return str(error) or type(error).__name__


class Caller:
    """Calls webhooks over HTTPS; connections are kept for the next call."""

    def __init__(self, resolver: ServiceResolver) -> None:
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def call(self, client: Object, sent: Object, seconds: float) -> Object:
        """Post an object to a webhook and return what it answers.

        Args:
            client: a WebhookClientConfig: url or service, and caBundle.
            sent: what is posted.
            seconds: how long it may take.

        Raises: CallFailed saying why there is no answer.
        """
        url, server_name = self._place(client)
        url += f"{'&' if urlsplit(url).query else '?'}timeout={seconds:g}s"
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        try:
            async with self._session.post(
                url,
                data=orjson.dumps(sent),
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                ssl=_trusting(client.get("caBundle") or ""),
                server_hostname=server_name,
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,
            ) as answer:
                body = await _read(answer)
                if answer.status != 200:
                    raise CallFailed(f"it answered with HTTP {answer.status}: {body[:200].decode(errors='replace')}")
        except TimeoutError:
            raise CallFailed(f'Post "{url}": context deadline exceeded') from None
        except (aiohttp.ClientError, OSError) as error:
            raise CallFailed(f'Post "{url}": {told(error)}') from None
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise CallFailed("its answer is not JSON") from None
        if not isinstance(found, dict):
            raise CallFailed("its answer is not an object")
        return found

    def _place(self, client: Object) -> tuple[str, str | None]:
        """Where a webhook listens, and the name in its certificate where that is not the URL's."""
        if url := client.get("url"):
            if urlsplit(url).scheme != "https":
                raise CallFailed(f"its url {url} is not https")
            return str(url), None
        service = client.get("service") or {}
        namespace, name = str(service.get("namespace") or ""), str(service.get("name") or "")
        try:
            host, port = self._resolver.resolve(namespace, name, int(service.get("port") or 443))
        except Unresolved as error:
            raise CallFailed(str(error)) from None
        path = "/" + str(service.get("path") or "").lstrip("/")
        return f"https://{authority(host, port)}{path}", f"{name}.{namespace}.svc"

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
