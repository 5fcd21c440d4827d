"""Signing service-account tokens for TokenRequest."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kprov.kube.apiserver.authentication import jwt
from kprov.kube.apiserver.authentication.keys import SigningKey
from kprov.kube.apiserver.authentication.objects import Object
from kprov.kube.apiserver.authentication.service_accounts import username

MINIMUM_SECONDS = 600
MAXIMUM_SECONDS = 1 << 32
# A pod's token of this lifetime comes from the ServiceAccount admission plugin. Old clients never read the file
# again: it is signed for a year, and only marked as stale after the hour.
_PROJECTED_SECONDS = 3607
_EXTENDED_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token and when it ends, in seconds since the epoch."""

    token: str
    expires: int


class TokenIssuer:
    """Signs tokens.

    Args:
        key: the private key.
        issuer: the URL of --service-account-issuer.
        audiences: whom tokens are for where the request does not say.
        maximum_seconds: the longest lifetime that is given, whatever is asked for; 0 for none.
        extend: whether pods' tokens get a year, as --service-account-extend-token-expiration says.
        now: the clock, in seconds.
    """

    def __init__(
        self,
        key: SigningKey,
        issuer: str,
        audiences: Sequence[str],
        *,
        maximum_seconds: int = 0,
        extend: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._issuer = issuer
        self._audiences = list(audiences)
        self._maximum = maximum_seconds
        self._extend = extend
        self._now = now

    def issue(
        self,
        account: Object,
        *,
        audiences: Sequence[str] = (),
        expiration_seconds: int = 3600,
        pod: Object | None = None,
        node: Object | None = None,
        secret: Object | None = None,
    ) -> IssuedToken:
        """A token for a service account.

        Args:
            account: the ServiceAccount.
            audiences: whom it is for; by default, for the API server.
            expiration_seconds: how long it lasts.
            pod: the pod that it is bound to.
            node: the node that it is bound to, or where the pod runs.
            secret: the secret that it is bound to.
        """
        wanted = min(expiration_seconds, self._maximum) if self._maximum else expiration_seconds
        now = int(self._now())
        lifetime, warn_after = wanted, 0
        if self._extend and pod is not None and wanted == _PROJECTED_SECONDS and not self._foreign(audiences):
            lifetime, warn_after = _EXTENDED_SECONDS, now + wanted
        bound: dict[str, Any] = {
            "namespace": account["metadata"]["namespace"],
            "serviceaccount": _reference(account),
        }
        if pod is not None:
            bound["pod"] = _reference(pod)
        if node is not None:
            bound["node"] = _reference(node)
        if secret is not None:
            bound["secret"] = _reference(secret)
        if warn_after:
            bound["warnafter"] = warn_after
        claims = {
            "aud": list(audiences) or self._audiences,
            "exp": now + lifetime,
            "iat": now,
            "iss": self._issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": bound,
            "nbf": now,
            "sub": username(account["metadata"]["namespace"], account["metadata"]["name"]),
        }
        # The client is told the time after which it should have a new one.
        return IssuedToken(jwt.sign(claims, self._key), now + wanted)

    def _foreign(self, audiences: Sequence[str]) -> bool:
        return any(audience not in self._audiences for audience in audiences)


def _reference(obj: Object) -> dict[str, str]:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}
