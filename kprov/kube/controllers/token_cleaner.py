"""Bootstrap tokens whose time is over."""

from __future__ import annotations

import base64
from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import SECRETS
from kprov.kube.controllers.controller import Context, Controller

BOOTSTRAP_TYPE = "bootstrap.kubernetes.io/token"


def field(secret: dict[str, Any], name: str) -> str:
    """A field of a Secret, decoded; empty if it is absent."""
    return base64.b64decode((secret.get("data") or {}).get(name, "")).decode(errors="replace")


class TokenCleaner(Controller):
    """Deletes expired bootstrap tokens."""

    name = "tokencleaner"
    account = "token-cleaner"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = self.watch_keys(SECRETS, namespace="kube-system", field_selector=f"type={BOOTSTRAP_TYPE}")

    async def reconcile(self, key: str) -> None:
        """Delete one token, or come back when its time is over."""
        secret = self.secrets.get(key)
        expiration = field(secret, "expiration") if secret is not None else ""
        if secret is None or not expiration:
            return
        try:
            when = clock.parse_time(expiration) or 0.0
        except ValueError:
            when = 0.0  # as upstream: a token with an unreadable end has ended
        left = when - clock.seconds()
        if left > 0:
            self.queue.add_after(key, left)
            return
        metadata = secret["metadata"]
        try:
            await self.client.delete(SECRETS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except ApiError as error:
            if not is_not_found(error):
                raise
