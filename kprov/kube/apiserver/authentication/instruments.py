"""How often, how fast and as whom requests are authenticated, under upstream's names."""

from __future__ import annotations

from kprov.kube.api.metrics import REGISTRY

_DAY = 86400.0
CERTIFICATES_END = REGISTRY.histogram(
    "apiserver_client_certificate_expiration_seconds",
    "Distribution of the remaining lifetime on the certificate used to authenticate a request.",
    (),
    (0.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0, _DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY,
     180 * _DAY, 360 * _DAY),
)  # fmt: skip
ATTEMPTS = REGISTRY.counter("authentication_attempts", "Counter of authenticated attempts.", ("result",))
SECONDS = REGISTRY.histogram(
    "authentication_duration_seconds", "Authentication duration in seconds broken out by result.", ("result",)
)
USERS = REGISTRY.counter(
    "authenticated_user_requests", "Counter of authenticated requests broken out by username.", ("username",)
)
TOKENS = REGISTRY.counter("authentication_token_cache_request_total", "Tokens that were looked for.", ("status",))
FETCHED = REGISTRY.counter("authentication_token_cache_fetch_total", "Tokens that were verified.", ("status",))

_NAMED = frozenset({"admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"})


def shown(username: str) -> str:
    """A user as metrics name it: whoever authenticates must not choose how many series there are."""
    if username in _NAMED:
        return username
    return "email_id" if "@" in username else "other"
