"""Service-account tokens: whether one is good, and whom it names.

A bound token lives only as long as what it is bound to: the service account and, where it says so, the pod (and its
node) or the secret, found again by name and uid. A legacy token is good as long as its Secret holds it.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kprov.kube.apiserver.authentication import jwt
from kprov.kube.apiserver.authentication.jwt import BoundObjectMissing, Claims, TokenError
from kprov.kube.apiserver.authentication.keys import VerificationKey
from kprov.kube.apiserver.authentication.objects import (
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    GroupResource,
    Object,
    ObjectReader,
)
from kprov.kube.apiserver.request import UserInfo

USERNAME_PREFIX = "system:serviceaccount:"
ALL_GROUP = "system:serviceaccounts"
LEGACY_ISSUER = "kubernetes/serviceaccount"
_LEGACY = "kubernetes.io/serviceaccount/"
# How long clocks may differ, and how long what is deleted still speaks: as upstream.
_LEEWAY_SECONDS = 60
_EXTRA = "authentication.kubernetes.io/"


def username(namespace: str, name: str) -> str:
    """The user name of a service account."""
    return f"{USERNAME_PREFIX}{namespace}:{name}"


def groups(namespace: str) -> tuple[str, str]:
    """The groups of every service account of a namespace."""
    return (ALL_GROUP, f"{ALL_GROUP}:{namespace}")


def split_username(user: str) -> tuple[str, str] | None:
    """The namespace and name of the service account that a user name stands for, or None."""
    if not user.startswith(USERNAME_PREFIX):
        return None
    namespace, colon, name = user.removeprefix(USERNAME_PREFIX).partition(":")
    return (namespace, name) if colon and namespace and name and ":" not in name else None


class ServiceAccountTokens:
    """Users by the service-account tokens that this cluster issued.

    Args:
        store: the watch cache.
        keys: every key that tokens may be signed with.
        issuers: accepted issuers; the first is the one that new tokens carry.
        audiences: what this API server calls itself in tokens.
        lookup: whether legacy tokens must still be there as Secrets.
        now: the clock, in seconds.
    """

    def __init__(
        self,
        store: ObjectReader,
        keys: Sequence[VerificationKey],
        issuers: Sequence[str],
        audiences: Sequence[str],
        *,
        lookup: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._keys = list(keys)
        self._issuers = frozenset(issuers)
        self._audiences = list(audiences)
        self._lookup = lookup
        self._now = now

    def user_of(self, token: str, audiences: Sequence[str] = ()) -> tuple[UserInfo, list[str]] | None:
        """The user of a token.

        Args:
            token: the bearer token.
            audiences: for whom it must be meant; by default, for this API server.

        Returns:
            The user and those of the wanted audiences that the token is good for; None where the token is not one of
            this cluster's.

        Raises:
            TokenError: it is, and is not to be accepted.
        """
        claims = jwt.unverified_claims(token)
        if claims is None:
            return None
        issuer = claims.get("iss")
        if issuer != LEGACY_ISSUER and issuer not in self._issuers:
            return None
        claims = jwt.verify(token, self._keys)
        legacy = claims.get("iss") == LEGACY_ISSUER
        good_for = self._good_for(claims, list(audiences) or self._audiences)
        return (self._legacy_user(token, claims) if legacy else self._bound_user(claims)), good_for

    def _good_for(self, claims: Claims, wanted: list[str]) -> list[str]:
        meant = claims.get("aud") or self._audiences
        meant = [meant] if isinstance(meant, str) else list(meant)
        good = [audience for audience in meant if audience in wanted]
        if not good and self._audiences:
            raise TokenError(f"token audiences {meant} is invalid for the target audiences {wanted}")
        return good

    # Bound tokens

    def _bound_user(self, claims: Claims) -> UserInfo:
        self._check_time(claims)
        bound: dict[str, Any] = claims.get("kubernetes.io") or {}
        namespace = bound.get("namespace") or ""
        account = bound.get("serviceaccount") or {}
        self._check_account(namespace, account.get("name") or "", account.get("uid") or "")
        extra: dict[str, list[str]] = {}
        if reference := bound.get("secret"):
            self._check_bound(SECRETS, namespace, reference)
        if reference := bound.get("pod"):
            self._check_bound(PODS, namespace, reference)
            extra[_EXTRA + "pod-name"] = [reference["name"]]
            extra[_EXTRA + "pod-uid"] = [reference["uid"]]
        if reference := bound.get("node"):
            # A pod's token carries the pod's node for information; only one bound to the node itself dies with it.
            if not bound.get("pod"):
                self._check_bound(NODES, "", reference)
            extra[_EXTRA + "node-name"] = [reference["name"]]
            if reference.get("uid"):
                extra[_EXTRA + "node-uid"] = [reference["uid"]]
        if token_id := claims.get("jti"):
            extra[_EXTRA + "credential-id"] = [f"JTI={token_id}"]
        name = account["name"]
        return UserInfo(username(namespace, name), account["uid"], groups(namespace), extra)

    def _check_time(self, claims: Claims) -> None:
        now = self._now()
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or now > expires + _LEEWAY_SECONDS:
            raise TokenError("service account token has expired")
        not_before = claims.get("nbf")
        if isinstance(not_before, int | float) and now < not_before - _LEEWAY_SECONDS:
            raise TokenError("service account token is not valid yet")

    def _check_account(self, namespace: str, name: str, uid: str) -> None:
        account = self._store.cached_get(SERVICE_ACCOUNTS, namespace, name)
        if account is None:
            raise BoundObjectMissing(f"ServiceAccount {namespace}/{name} is not there")
        if self._is_gone(account):
            raise TokenError(f"ServiceAccount {namespace}/{name} has been deleted")
        if account["metadata"].get("uid") != uid:
            raise TokenError("service account UID does not match claim")

    def _check_bound(self, resource: GroupResource, namespace: str, reference: dict[str, str]) -> None:
        found = self._store.cached_get(resource, namespace, reference.get("name") or "")
        if found is None:
            raise BoundObjectMissing(f"service account token is bound to {resource[1]} that are not there")
        if self._is_gone(found) or found["metadata"].get("uid") != reference.get("uid"):
            raise TokenError("service account token has been invalidated")

    def _is_gone(self, obj: Object) -> bool:
        deleted = obj["metadata"].get("deletionTimestamp")
        return bool(deleted) and datetime.fromisoformat(deleted).timestamp() < self._now() - _LEEWAY_SECONDS

    # Legacy tokens

    def _legacy_user(self, token: str, claims: Claims) -> UserInfo:
        namespace, secret_name, name, uid = (
            str(claims.get(_LEGACY + claim) or "")
            for claim in ("namespace", "secret.name", "service-account.name", "service-account.uid")
        )
        if not (namespace and secret_name and name and uid):
            raise TokenError("a claim of the service account token is missing")
        if claims.get("sub") != username(namespace, name):
            raise TokenError("sub claim is invalid")
        if self._lookup:
            self._check_secret(token, namespace, secret_name)
            self._check_account(namespace, name, uid)
        return UserInfo(username(namespace, name), uid, groups(namespace))

    def _check_secret(self, token: str, namespace: str, name: str) -> None:
        secret = self._store.cached_get(SECRETS, namespace, name)
        if secret is None:
            raise BoundObjectMissing("service account token is not held by a secret")
        if secret["metadata"].get("deletionTimestamp"):
            raise TokenError("service account token has been invalidated")
        held = base64.b64decode((secret.get("data") or {}).get("token") or "")
        if not hmac.compare_digest(held, token.encode()):
            raise TokenError("service account token does not match server's copy")
