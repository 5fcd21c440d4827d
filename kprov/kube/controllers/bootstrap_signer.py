"""Signatures over the ConfigMap cluster-info, so that a joining machine can trust it by its token alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import orjson

from kprov.kube.api import clock
from kprov.kube.api.kinds import CONFIG_MAPS, SECRETS
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.token_cleaner import BOOTSTRAP_TYPE, field

Object = dict[str, Any]
CLUSTER_INFO = "kube-public/cluster-info"
PREFIX = "jws-kubeconfig-"


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def detached_signature(content: str, token_id: str, token_secret: str) -> str:
    """A JWS of the content with the content left out, keyed by the token."""
    header = _segment(orjson.dumps({"alg": "HS256", "kid": token_id}))
    text = f"{header}.{_segment(content.encode())}"
    digest = hmac.new(f"{token_id}.{token_secret}".encode(), text.encode(), hashlib.sha256).digest()
    return f"{header}..{_segment(digest)}"


def signs(secret: Object) -> bool:
    """Whether a token may sign: valid, and meant for it."""
    if field(secret, "usage-bootstrap-signing") != "true":
        return False
    try:
        end = clock.parse_time(field(secret, "expiration"))
    except ValueError:
        return False
    return end is None or end > clock.seconds()


class BootstrapSigner(Controller):
    """Keeps one signature for each bootstrap token in cluster-info."""

    name = "bootstrapsigner"
    account = "bootstrap-signer"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.maps = self.watch(
            CONFIG_MAPS,
            namespace="kube-public",
            field_selector="metadata.name=cluster-info",
            on_add=self.enqueue,
            on_update=lambda _, new: self.enqueue(new),
        )
        self.secrets = self.watch(
            SECRETS,
            namespace="kube-system",
            field_selector=f"type={BOOTSTRAP_TYPE}",
            on_add=lambda _: self.queue.add(CLUSTER_INFO),
            on_update=lambda _, __: self.queue.add(CLUSTER_INFO),
            on_delete=lambda _: self.queue.add(CLUSTER_INFO),
        )

    async def reconcile(self, key: str) -> None:
        """Bring the signatures up to date."""
        found = self.maps.get(CLUSTER_INFO)
        content = (found or {}).get("data", {}).get("kubeconfig")
        if found is None or content is None:
            return
        data = {k: v for k, v in found["data"].items() if not k.startswith(PREFIX)}
        for secret in self.secrets.list():
            token_id, token_secret = field(secret, "token-id"), field(secret, "token-secret")
            if token_id and token_secret and signs(secret):
                data[PREFIX + token_id] = detached_signature(content, token_id, token_secret)
        if data != found["data"]:
            await self.client.update(CONFIG_MAPS, {**found, "data": data})
