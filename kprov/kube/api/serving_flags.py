"""The flags of a daemon's health server, and the server that they make: kube-scheduler and kube-controller-manager."""

from __future__ import annotations

from collections.abc import Mapping

from kprov.kube.api.client import ApiClient
from kprov.kube.api.delegated_auth import DelegatedAuthenticator, DelegatedAuthorizer
from kprov.kube.api.flags import Flags, FlagSet
from kprov.kube.api.serving import Check, HealthServer
from kprov.kube.api.trusted_clients import TrustedClients


def add_serving_flags(flags: FlagSet, port: int) -> None:
    """Add the flags that say where to serve, with which certificate, and to whom.

    Args:
        flags: the daemon's flags.
        port: its usual port.
    """
    flags.string("bind-address", "0.0.0.0", "where to serve health and metrics")  # noqa: S104 - upstream's default
    flags.integer("secure-port", port, "the port for it; 0 turns it off")
    flags.string("tls-cert-file", "", "the serving certificate; without it one is made at the start")
    flags.string("tls-private-key-file", "", "its key")
    flags.string("client-ca-file", "", "whose client certificates are believed")
    flags.string("authentication-kubeconfig", "", "where tokens are reviewed (TokenReview)")
    flags.string("authorization-kubeconfig", "", "where access is reviewed (SubjectAccessReview)")
    flags.duration("authentication-token-webhook-cache-ttl", 10.0, "how long a token's review is remembered")
    flags.duration("authorization-webhook-cache-authorized-ttl", 10.0, "how long a yes is remembered")
    flags.duration("authorization-webhook-cache-unauthorized-ttl", 10.0, "how long a no is remembered")
    flags.strings("authorization-always-allow-paths", ("/healthz", "/readyz", "/livez"), "paths that anybody may read")


def health_server(
    flags: Flags,
    authentication: ApiClient | None,
    authorization: ApiClient | None,
    *,
    live: Mapping[str, Check] | None = None,
    ready: Mapping[str, Check] | None = None,
) -> HealthServer:
    """The health server that the flags describe.

    Args:
        flags: what :func:`add_serving_flags` read.
        authentication: reviews tokens; without it they are refused.
        authorization: reviews access; without it only system:masters may.
        live: the checks of /livez.
        ready: the further checks of /readyz.
    """
    clients = TrustedClients(flags.client_ca_file) if flags.client_ca_file else None
    return HealthServer(
        flags.bind_address,
        flags.secure_port,
        certificate=flags.tls_cert_file,
        key=flags.tls_private_key_file,
        secure=True,
        clients=clients,
        authenticator=DelegatedAuthenticator(
            authentication, cache_seconds=flags.authentication_token_webhook_cache_ttl, clients=clients
        ),
        authorizer=DelegatedAuthorizer(
            authorization,
            always_allow=tuple(flags.authorization_always_allow_paths),
            allowed_seconds=flags.authorization_webhook_cache_authorized_ttl,
            denied_seconds=flags.authorization_webhook_cache_unauthorized_ttl,
        ),
        live=live,
        ready=ready,
    )
