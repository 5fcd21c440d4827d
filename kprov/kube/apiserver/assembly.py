"""Builds the rooms of security from the flags: who asks, may they, and what else may refuse a write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.kube.api.client_authorities import Authorities, certificates_in
from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.flags import Flags
from kprov.kube.apiserver.admission.chain import AdmissionChain, build_chain
from kprov.kube.apiserver.admission.plugin import Surroundings
from kprov.kube.apiserver.authentication.authenticator import Authenticator, ClientCertificates
from kprov.kube.apiserver.authentication.bootstrap_tokens import BootstrapTokens
from kprov.kube.apiserver.authentication.keys import VerificationKey, read_signing_key, read_verification_keys
from kprov.kube.apiserver.authentication.request_header import RequestHeaderAuthentication
from kprov.kube.apiserver.authentication.service_accounts import ServiceAccountTokens
from kprov.kube.apiserver.authentication.static_tokens import StaticTokens
from kprov.kube.apiserver.authentication.token_issuer import TokenIssuer
from kprov.kube.apiserver.authorization.union import UnionAuthorizer, build_authorizer
from kprov.kube.apiserver.extensions.conversion import Conversion
from kprov.kube.apiserver.services.calling import Caller
from kprov.kube.apiserver.storage.store import Store

GroupResource = tuple[str, str]
CLIENT_CA, REQUEST_HEADER_CA = "client-ca-file", "requestheader-client-ca-file"


@dataclass(slots=True)
class Security:
    """The rooms, built."""

    authenticator: Authenticator
    authorizer: UnionAuthorizer
    admission: AdmissionChain
    token_issuer: TokenIssuer | None
    verification_keys: list[VerificationKey]
    audiences: list[str]
    authorities: dict[str, Authorities]  # by the flag that names their file
    caches: set[GroupResource] = field(default_factory=set)  # kinds that they read from the cache

    def read_authorities(self, flags: Flags) -> None:
        """Trust whom the files name by now. Raises DaemonError where one of them names nobody."""
        read = {flag: certificates_of(getattr(flags, flag.replace("-", "_")), flag) for flag in self.authorities}
        for flag, certificates in read.items():
            self.authorities[flag].replace(certificates)


def _read(path: str, flag: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DaemonError(f"--{flag}: {error}") from error


def certificates_of(path: str, flag: str) -> tuple[bytes, ...]:
    """The certificates of a PEM file, one by one. Raises DaemonError where there is none."""
    if not path:
        return ()
    found = certificates_in(_read(path, flag))
    if not found:
        raise DaemonError(f"--{flag}: {path} holds no certificate")
    return found


def _verification_keys(flags: Flags) -> list[VerificationKey]:
    paths = flags.service_account_key_file or (
        [flags.service_account_signing_key_file] if flags.service_account_signing_key_file else []
    )
    keys: list[VerificationKey] = []
    for path in paths:
        try:
            keys += read_verification_keys(_read(path, "service-account-key-file"), path)
        except ValueError as error:
            raise DaemonError(f"--service-account-key-file: {error}") from error
    return keys


def _token_issuer(flags: Flags, audiences: list[str]) -> TokenIssuer | None:
    path = flags.service_account_signing_key_file
    if not path or not flags.service_account_issuer:
        return None
    try:
        key = read_signing_key(_read(path, "service-account-signing-key-file"), path)
    except ValueError as error:
        raise DaemonError(f"--service-account-signing-key-file: {error}") from error
    return TokenIssuer(
        key,
        flags.service_account_issuer[0],
        audiences,
        extend=flags.service_account_extend_token_expiration,
    )


def build_security(
    flags: Flags, store: Store, webhooks: Caller, conversion: Conversion, catch_up: Callable[[], Awaitable[None]]
) -> Security:
    """Build the rooms.

    Args:
        flags: the command line.
        store: the store, started or not: what must be cached before the first request is in ``caches``.
        webhooks: calls webhooks.
        conversion: converts objects of custom kinds.
        catch_up: waits until the cache has every write that was answered before.

    Raises:
        DaemonError: a flag's value or file cannot be used.
    """
    caches: set[GroupResource] = set()
    audiences = list(flags.api_audiences or flags.service_account_issuer)
    keys = _verification_keys(flags)
    authorities = {
        flag: Authorities(certificates_of(getattr(flags, flag.replace("-", "_")), flag))
        for flag in (CLIENT_CA, REQUEST_HEADER_CA)
        if getattr(flags, flag.replace("-", "_"))
    }
    service_accounts = None
    if keys and flags.service_account_issuer:
        service_accounts = ServiceAccountTokens(store, keys, flags.service_account_issuer, audiences)
        caches |= {("", "serviceaccounts"), ("", "secrets"), ("", "pods"), ("", "nodes")}
    if flags.enable_bootstrap_token_auth:
        caches.add(("", "secrets"))
    static_tokens = None
    if flags.token_auth_file:
        try:
            static_tokens = StaticTokens.read(Path(flags.token_auth_file))
        except (OSError, ValueError) as error:
            raise DaemonError(f"--token-auth-file: {error}") from error
    authenticator = Authenticator(
        certificates=ClientCertificates(authorities[CLIENT_CA]) if CLIENT_CA in authorities else None,
        request_header=RequestHeaderAuthentication(
            authorities[REQUEST_HEADER_CA],
            tuple(flags.requestheader_allowed_names),
            flags.requestheader_username_headers,
            flags.requestheader_group_headers,
            flags.requestheader_extra_headers_prefix,
        )
        if REQUEST_HEADER_CA in authorities
        else None,
        static_tokens=static_tokens,
        service_accounts=service_accounts,
        bootstrap_tokens=BootstrapTokens(store) if flags.enable_bootstrap_token_auth else None,
        audiences=audiences,
        catch_up=catch_up,
        anonymous=flags.anonymous_auth,
    )
    try:
        authorizer = build_authorizer(flags.authorization_mode, store)
        around: Any = Surroundings(store, authorizer, webhooks, conversion, authorizer.rbac)
        admission = build_chain(around, flags.enable_admission_plugins, flags.disable_admission_plugins)
    except ValueError as error:
        raise DaemonError(str(error)) from error
    caches |= admission.caches
    if "RBAC" in flags.authorization_mode:
        caches |= {
            ("rbac.authorization.k8s.io", plural)
            for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
        }
    if "Node" in flags.authorization_mode:
        caches |= {("", "pods"), ("", "persistentvolumes"), ("storage.k8s.io", "volumeattachments")}
    issuer = _token_issuer(flags, audiences)
    return Security(authenticator, authorizer, admission, issuer, keys, audiences, authorities, caches)
