"""Who asks a daemon's own HTTPS port, and may they: decided by the API server (TokenReview, SubjectAccessReview).

A client certificate from a trusted authority names its user by itself; a bearer token is reviewed by the API server.
Answers are remembered for a short while, as upstream does.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.kinds import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from kprov.kube.api.trusted_clients import TrustedClients

_CACHE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class RemoteUser:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict, hash=False)


ANONYMOUS = RemoteUser("system:anonymous", ("system:unauthenticated",))


def user_of_certificate(peer: Mapping[str, Any] | None) -> RemoteUser | None:
    """The user whom a verified client certificate names, from the ssl module's dictionary: CN and all O values."""
    if not peer:
        return None
    pairs = [pair for names in peer.get("subject", ()) for pair in names]
    name = next((text for key, text in pairs if key == "commonName"), "")
    if not name:
        return None
    groups = tuple(text for key, text in pairs if key == "organizationName")
    return RemoteUser(name, (*groups, "system:authenticated"))


class _Remembered:
    """Answers that are true for a while."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def get(self, key: Any) -> Any:
        until, answer = self._entries.get(key, (0.0, None))
        return answer if until > time.monotonic() else None

    def put(self, key: Any, answer: Any, seconds: float) -> None:
        self._entries[key] = (time.monotonic() + seconds, answer)
        while len(self._entries) > _CACHE_LIMIT:
            self._entries.popitem(last=False)


class DelegatedAuthenticator:
    """Finds out who asks.

    Args:
        client: the API server that reviews tokens; without one, tokens are refused.
        anonymous: let those who show nothing in as system:anonymous (authorization still decides).
        cache_seconds: how long a review's answer is remembered.
        clients: whose certificates are believed; without it, nobody's.
    """

    def __init__(
        self,
        client: ApiClient | None,
        *,
        anonymous: bool = True,
        cache_seconds: float = 10.0,
        clients: TrustedClients | None = None,
    ) -> None:
        self._client = client
        self._clients = clients
        self._anonymous = anonymous
        self._cache_seconds = cache_seconds
        self._answers = _Remembered()

    async def authenticate(
        self, headers: Mapping[str, str], transport: asyncio.BaseTransport | None
    ) -> RemoteUser | None:
        """The user, or None where the request must be answered with 401.

        Args:
            headers: the request's headers.
            transport: the connection: its client may have shown a certificate, which TLS has verified.

        Raises:
            ApiError, aiohttp.ClientError: the API server cannot be asked.
        """
        peer, counts = self._clients.certificate(transport) if self._clients is not None else (None, False)
        if counts and (user := user_of_certificate(peer)):
            return user
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            # who shows a certificate means to be somebody
            return ANONYMOUS if self._anonymous and (peer is None or counts) else None
        return await self._review(token.strip())

    async def _review(self, token: str) -> RemoteUser | None:
        if self._client is None:
            return None
        known = self._answers.get(token)
        if known is None:
            body = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": "TokenReview", "spec": {"token": token}}
            status = (await self._client.create(TOKEN_REVIEWS, body)).get("status") or {}
            known = (_user_of_review(status) if status.get("authenticated") else None,)
            self._answers.put(token, known, self._cache_seconds)
        user: RemoteUser | None = known[0]
        return user


def _user_of_review(status: Mapping[str, Any]) -> RemoteUser:
    user = status.get("user") or {}
    groups = tuple(user.get("groups") or ())
    if "system:authenticated" not in groups:
        groups = (*groups, "system:authenticated")
    return RemoteUser(user.get("username", ""), groups, user.get("uid", ""), user.get("extra") or {})


class DelegatedAuthorizer:
    """Finds out whether they may.

    Args:
        client: the API server that reviews access; without one, only system:masters may.
        always_allow: paths that anybody may read, with or without a trailing ``/*``.
        allowed_seconds, denied_seconds: how long an answer is remembered.
    """

    def __init__(
        self,
        client: ApiClient | None,
        *,
        always_allow: tuple[str, ...] = ("/healthz", "/livez", "/readyz"),
        allowed_seconds: float = 10.0,
        denied_seconds: float = 10.0,
    ) -> None:
        self._client = client
        self._always_allow = always_allow
        self._seconds = {True: allowed_seconds, False: denied_seconds}
        self._answers = _Remembered()

    async def allows_path(self, user: RemoteUser, verb: str, path: str) -> bool:
        """Whether a user may use a URL path of this daemon (a nonResourceURL to the API server).

        Raises:
            ApiError, aiohttp.ClientError: the API server cannot be asked.
        """
        for allowed in self._always_allow:
            if path == allowed or (allowed.endswith("/*") and path.startswith(allowed[:-1])):
                return True
        return await self.allows(user, nonResourceAttributes={"path": path, "verb": verb})

    async def allows(self, user: RemoteUser, **attributes: Mapping[str, str]) -> bool:
        """Whether a user may do what `resourceAttributes` or `nonResourceAttributes` describe.

        Raises:
            ApiError, aiohttp.ClientError: the API server cannot be asked.
        """
        if "system:masters" in user.groups:
            return True
        if self._client is None:
            return False
        question = tuple((kind, tuple(sorted(asked.items()))) for kind, asked in attributes.items())
        key = (user, question)
        known = self._answers.get(key)
        if known is None:
            body = {
                "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
                "kind": "SubjectAccessReview",
                "spec": {
                    **attributes,
                    "user": user.name,
                    "groups": list(user.groups),
                    "uid": user.uid,
                    "extra": dict(user.extra),
                },
            }
            status = (await self._client.create(SUBJECT_ACCESS_REVIEWS, body)).get("status") or {}
            known = bool(status.get("allowed")) and not status.get("denied")
            self._answers.put(key, known, self._seconds[known])
        return bool(known)
