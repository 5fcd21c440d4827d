"""Who sent a request: each way of telling is asked in turn."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kprov.kube.api.client_authorities import Authorities, Chain
from kprov.kube.apiserver.authentication.bootstrap_tokens import BootstrapTokens
from kprov.kube.apiserver.authentication.certificates import end_of, user_of_certificate
from kprov.kube.apiserver.authentication.headers import Headers
from kprov.kube.apiserver.authentication.instruments import (
    ATTEMPTS,
    CERTIFICATES_END,
    FETCHED,
    SECONDS,
    TOKENS,
    USERS,
    shown,
)
from kprov.kube.apiserver.authentication.jwt import BoundObjectMissing, TokenError
from kprov.kube.apiserver.authentication.objects import NODES, PODS, SECRETS, SERVICE_ACCOUNTS
from kprov.kube.apiserver.authentication.request_header import RequestHeaderAuthentication
from kprov.kube.apiserver.authentication.service_accounts import ServiceAccountTokens
from kprov.kube.apiserver.authentication.static_tokens import StaticTokens
from kprov.kube.apiserver.request import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, UserInfo

_log = logging.getLogger(__name__)

ANONYMOUS_USER = UserInfo(ANONYMOUS, groups=(UNAUTHENTICATED_GROUP,))

CACHES = (PODS, NODES, SECRETS, SERVICE_ACCOUNTS)
"""The kinds that must be in the watch cache for tokens to be checked."""

_CACHE_SECONDS = 10.0
_CACHE_SIZE = 2048


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was found good a moment ago."""

    user: UserInfo
    audiences: list[str]
    until: float


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Client certificates as a way to authenticate.

    Args:
        authorities: those of --client-ca-file. TLS takes certificates for other purposes too (the front proxy's).
    """

    authorities: Authorities

    def user_of(self, der: bytes, chain: Chain = tuple) -> UserInfo | None:
        """The user of a certificate whose chain TLS has verified, or None where that holds no longer."""
        left = end_of(der) - time.time()
        if left < 0 or not self.authorities.vouch_for(der, chain):
            return None
        user = user_of_certificate(der)
        if user is not None:
            CERTIFICATES_END.observe(left)
        return user


class Authenticator:
    """Asks the front proxy's headers, then the client certificate, then the bearer token.

    Args:
        certificates: client certificates, if they authenticate.
        request_header: the front proxy, if one is trusted.
        static_tokens: the token file, if there is one.
        service_accounts: service-account tokens.
        bootstrap_tokens: bootstrap tokens, if enabled.
        audiences: what this API server calls itself.
        catch_up: waits until the watch cache has everything that was written before; asked where a token names what
            the cache does not hold, as it may have been created through another server a moment ago.
        anonymous: whether a request without credentials is let in as system:anonymous (and then authorized as such).
    """

    def __init__(
        self,
        *,
        certificates: ClientCertificates | None = None,
        request_header: RequestHeaderAuthentication | None = None,
        static_tokens: StaticTokens | None = None,
        service_accounts: ServiceAccountTokens | None = None,
        bootstrap_tokens: BootstrapTokens | None = None,
        audiences: Sequence[str] = (),
        catch_up: Callable[[], Awaitable[None]] | None = None,
        anonymous: bool = True,
    ) -> None:
        self._certificates = certificates
        self._request_header = request_header
        self._static_tokens = static_tokens
        self._service_accounts = service_accounts
        self._bootstrap_tokens = bootstrap_tokens
        self._audiences = list(audiences)
        self._catch_up = catch_up
        self._anonymous = anonymous
        self._cache: OrderedDict[bytes, _Known] = OrderedDict()

    async def authenticate(self, headers: Headers, peer_cert: bytes | None, chain: Chain = tuple) -> UserInfo | None:
        """The user that a request comes from.

        Args:
            headers: the request's headers.
            peer_cert: the client's certificate in DER form, which TLS has verified, if it sent one.
            chain: tells how TLS verified it.

        Returns:
            The user, or None: answer 401.
        """
        began = time.monotonic()
        user = None
        result = "error"
        try:
            user = await self._user_of(headers, peer_cert, chain)
            result = "failure" if user is None else "success"
        finally:
            SECONDS.observe(time.monotonic() - began, result)
            ATTEMPTS.inc(result)
        if user is not None:
            USERS.inc(shown(user.name))
        return user

    async def _user_of(self, headers: Headers, peer_cert: bytes | None, chain: Chain) -> UserInfo | None:
        if peer_cert:
            user = self._of_peer(headers, peer_cert, chain)
            if user is not None:
                return _standing(user)
        token = bearer_token(headers)
        if token:
            known = await self._of_token(token, ())
            return _standing(known.user) if known else None
        # who shows a certificate means to be somebody
        return ANONYMOUS_USER if self._anonymous and not (peer_cert and self._certificates) else None

    def _of_peer(self, headers: Headers, peer_cert: bytes, chain: Chain) -> UserInfo | None:
        try:
            if self._request_header:
                user = self._request_header.user_of(headers, peer_cert, chain)
                if user is not None:
                    return user
            return self._certificates.user_of(peer_cert, chain) if self._certificates else None
        except ValueError as error:
            _log.info("a client's certificate cannot be read: %s", error)
            return None

    async def _of_token(self, token: str, audiences: Sequence[str]) -> _Known | None:
        """A token's user. Good ones are remembered for a moment: a signature costs a tenth of a millisecond."""
        now = time.monotonic()
        key = hashlib.sha256("\0".join((token, *audiences)).encode()).digest()
        known = self._cache.get(key)
        if known is not None and known.until > now:
            TOKENS.inc("hit")
            return known
        TOKENS.inc("miss")
        try:
            try:
                found = self._look_up(token, audiences)
            except BoundObjectMissing:
                if self._catch_up is None:
                    raise
                await self._catch_up()
                found = self._look_up(token, audiences)
        except TokenError as error:
            _log.info("a bearer token is not accepted: %s", error)
            FETCHED.inc("error")
            return None
        FETCHED.inc("ok" if found is not None else "error")
        if found is None:
            return None
        known = _Known(_standing(found[0]), found[1], now + _CACHE_SECONDS)
        self._cache[key] = known
        self._cache.move_to_end(key)
        if len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return known

    def _look_up(self, token: str, audiences: Sequence[str]) -> tuple[UserInfo, list[str]] | None:
        if self._service_accounts:
            found = self._service_accounts.user_of(token, audiences)
            if found is not None:
                return found
        # Tokens of these kinds do not name audiences: they are for the API server.
        good_for = [audience for audience in audiences or self._audiences if audience in self._audiences]
        if audiences and not good_for:
            return None
        for way in (self._static_tokens, self._bootstrap_tokens):
            user = way.user_of(token) if way else None
            if user is not None:
                return user, good_for
        return None

    async def review_token(self, token: str, audiences: Sequence[str] = ()) -> dict[str, Any]:
        """The status of a TokenReview.

        Args:
            token: the token to review.
            audiences: for whom it must be meant; empty for this API server.
        """
        if not token:
            return {"error": "token is required for TokenReview in authentication", "user": {}}
        known = await self._of_token(token, tuple(audiences))
        if known is None:
            return {"user": {}, "error": "[invalid bearer token, token lookup failed]"}
        status: dict[str, Any] = {"authenticated": True, "user": _standing(known.user).as_dict()}
        if known.audiences:
            status["audiences"] = known.audiences
        return status


def bearer_token(headers: Headers) -> str:
    """The bearer token of a request, or nothing; browsers' websockets carry it as a subprotocol."""
    value = headers.get("Authorization") or ""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    protocols = headers.get("Sec-WebSocket-Protocol") or ""
    if "base64url.bearer.authorization.k8s.io." not in protocols:
        return ""
    from kprov.kube.apiserver.authentication.keys import decode

    for protocol in protocols.split(","):
        encoded = protocol.strip()
        if encoded.startswith("base64url.bearer.authorization.k8s.io."):
            try:
                return decode(encoded.removeprefix("base64url.bearer.authorization.k8s.io.")).decode()
            except ValueError:
                return ""
    return ""


def _standing(user: UserInfo) -> UserInfo:
    """The user, in the group of all who are authenticated."""
    if user.name == ANONYMOUS or AUTHENTICATED_GROUP in user.groups or UNAUTHENTICATED_GROUP in user.groups:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED_GROUP))
