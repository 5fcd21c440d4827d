"""Bootstrap tokens: ``id.secret`` of six and sixteen characters, kept as Secrets of kube-system.

A machine that has nothing else introduces itself with one to ask for its certificate.
"""

from __future__ import annotations

import base64
import hmac
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime

from kprov.kube.apiserver.authentication.objects import SECRETS, Object, ObjectReader
from kprov.kube.apiserver.request import UserInfo

_log = logging.getLogger(__name__)

_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
_DEFAULT_GROUP = "system:bootstrappers"
_TYPE = "bootstrap.kubernetes.io/token"


def _text(secret: Object, key: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(key) or "").decode()
    except ValueError:
        return ""


def _expired(secret: Object, now: datetime) -> bool:
    """Whether the token's time is over; a time that cannot be read counts as over."""
    expiration = _text(secret, "expiration")
    if not expiration:
        return False
    try:
        until = datetime.fromisoformat(expiration)
    except ValueError:
        return True
    return (until if until.tzinfo else until.replace(tzinfo=UTC)) <= now


class BootstrapTokens:
    """Users by the bootstrap tokens of the cluster."""

    def __init__(self, store: ObjectReader, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    def user_of(self, token: str) -> UserInfo | None:
        """The user of a token: ``system:bootstrap:ID`` in the token's groups; None where it is not a valid one."""
        match = _TOKEN.fullmatch(token)
        if not match:
            return None
        token_id, token_secret = match.groups()
        secret = self._store.cached_get(SECRETS, "kube-system", f"bootstrap-token-{token_id}")
        if secret is None:
            return None
        refusal = self._refusal(secret, token_id, token_secret)
        if refusal:
            _log.info("bootstrap token %s is not accepted: %s", token_id, refusal)
            return None
        groups = [group.strip() for group in _text(secret, "auth-extra-groups").split(",") if group.strip()]
        if any(not _GROUP.fullmatch(group) for group in groups):
            _log.warning(
                "bootstrap token %s is not accepted: auth-extra-groups must start with %s:", token_id, _DEFAULT_GROUP
            )
            return None
        return UserInfo(name=f"system:bootstrap:{token_id}", groups=(_DEFAULT_GROUP, *sorted(set(groups))))

    def _refusal(self, secret: Object, token_id: str, token_secret: str) -> str:
        if secret["metadata"].get("deletionTimestamp"):
            return "its secret is being deleted"
        if secret.get("type") != _TYPE:
            return f"its secret is not of type {_TYPE}"
        if not hmac.compare_digest(_text(secret, "token-secret"), token_secret):
            return "the secret part does not match"
        if _text(secret, "token-id") != token_id:
            return "token-id does not match the secret's name"
        if _expired(secret, self._now()):
            return "it has expired"
        if _text(secret, "usage-bootstrap-authentication") != "true":
            return "usage-bootstrap-authentication is not true"
        return ""
