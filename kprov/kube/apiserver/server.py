"""The API server: builds its rooms from the flags, serves, and stops in order."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from kprov.kube.api import metrics
from kprov.kube.api.cipher_suites import openssl_ciphers
from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.errors import ApiError
from kprov.kube.api.flags import Flags
from kprov.kube.api.server_tls import ServerTLS
from kprov.kube.apiserver import flow_metrics
from kprov.kube.apiserver.aggregation import aggregator
from kprov.kube.apiserver.aggregation.aggregator import Aggregator
from kprov.kube.apiserver.assembly import Security, build_security
from kprov.kube.apiserver.audit_log import open_audit_log
from kprov.kube.apiserver.bootstrap.reconcile import reconcile, tell_authentication
from kprov.kube.apiserver.dispatch import Dispatcher
from kprov.kube.apiserver.etcd_connection import connect_etcd
from kprov.kube.apiserver.extensions.controller import DEFINITIONS, Definitions
from kprov.kube.apiserver.extensions.conversion import Conversion
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.health import Health
from kprov.kube.apiserver.http.aiohttp_front import AiohttpFront
from kprov.kube.apiserver.inflight import InFlight
from kprov.kube.apiserver.kubelet.connection import Kubelets
from kprov.kube.apiserver.paths import Paths
from kprov.kube.apiserver.request_metrics import RequestMetrics
from kprov.kube.apiserver.services.addresses import advertise_address
from kprov.kube.apiserver.services.allocation import ServiceAllocation
from kprov.kube.apiserver.services.calling import Caller
from kprov.kube.apiserver.services.kubernetes_service import KubernetesService
from kprov.kube.apiserver.services.resolving import ServiceResolver
from kprov.kube.apiserver.storage.compaction import compact_for_ever
from kprov.kube.apiserver.storage.etcd import EtcdError
from kprov.kube.apiserver.storage.hub import NotFreshInTime
from kprov.kube.apiserver.storage.store import Store
from kprov.kube.apiserver.strategy.cluster_policy import set_allow_privileged

_log = logging.getLogger(__name__)
_START_SECONDS = 60.0
_DRAIN_SECONDS = 10.0


class Server:
    """One API server."""

    def __init__(self, flags: Flags) -> None:
        """Raises DaemonError where the flags cannot be followed."""
        self._flags = flags
        self.store = Store(connect_etcd(flags), flags.etcd_prefix)
        self.health = Health(self.store)
        self._tls = self._make_tls()
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._inflight = InFlight(flags.max_requests_inflight, flags.max_mutating_requests_inflight)
        self._advertise = advertise_address(flags.advertise_address or flags.bind_address)
        resolver = ServiceResolver(self.store, to_endpoints=flags.enable_aggregator_routing)
        self._webhooks = Caller(resolver)
        conversion = Conversion(self._webhooks)
        self.security: Security = build_security(flags, self.store, self._webhooks, conversion, self._catch_up)
        set_allow_privileged(flags.allow_privileged)
        allocation = ServiceAllocation(
            self.store, flags.service_cluster_ip_range.split(","), flags.service_node_port_range
        )
        self._allocation = allocation
        self._definitions = Definitions(self.store)
        self._aggregator = Aggregator(self.store, resolver, flags.proxy_client_cert_file, flags.proxy_client_key_file)
        parts = Parts(
            store=self.store,
            definitions=self._definitions,
            aggregator=self._aggregator,
            conversion=conversion,
            options=flags,
            authenticator=self.security.authenticator,
            authorizer=self.security.authorizer,
            admission=self.security.admission,
            allocation=allocation,
            token_issuer=self.security.token_issuer,
            kubelets=Kubelets(
                flags.kubelet_client_certificate,
                flags.kubelet_client_key,
                flags.kubelet_certificate_authority,
                flags.kubelet_preferred_address_types,
            ),
            stopping=self._stopping,
            extra={"audiences": self.security.audiences},
        )
        flow_metrics.register(metrics.REGISTRY, self._inflight)
        self._auditor = open_audit_log(flags)
        address = f"{self._advertise}:{flags.secure_port}"
        paths = Paths(self.health, self.security, flags, address, self._aggregator)
        dispatcher = Dispatcher(
            parts,
            paths.answer,
            self._inflight,
            RequestMetrics(metrics.REGISTRY, self._inflight),
            flags.request_timeout,
            self._auditor,
        )
        metrics.REGISTRY.gauge(
            "apiserver_storage_objects",
            "Number of stored objects at the time of last check split by kind.",
            ("resource",),
            self.store.hub.counts,
        )
        self._front = AiohttpFront(dispatcher.handle)
        self._kubernetes = KubernetesService(
            self.store, allocation, self._advertise, flags.secure_port, flags.kubernetes_service_node_port
        )

    def _make_tls(self) -> ServerTLS:
        flags = self._flags
        certificate, key = flags.tls_cert_file, flags.tls_private_key_file
        if not certificate:
            certificate, key = (str(Path(flags.cert_dir) / name) for name in ("apiserver.crt", "apiserver.key"))
        try:
            return ServerTLS(
                certificate,
                key,
                [flags.client_ca_file, flags.requestheader_client_ca_file],
                flags.tls_min_version,
                openssl_ciphers(flags.tls_cipher_suites) if flags.tls_cipher_suites else "",
                self._trust_anew,
            )
        except (OSError, ssl.SSLError) as error:
            raise DaemonError(
                f"the serving certificate ({certificate}, {key}) or a client authority cannot be used: {error}"
            ) from error
        except ValueError as error:
            raise DaemonError(f"--tls-cipher-suites: {error}") from error

    def _trust_anew(self) -> None:
        """Follow the authorities' files: for requests on open connections too, and for those who learn it from us."""
        try:
            self.security.read_authorities(self._flags)
        except DaemonError as error:
            raise ValueError(str(error)) from error
        self._spawn(self._tell_authorities())

    async def _tell_authorities(self) -> None:
        while True:
            try:
                await tell_authentication(self.store, self._authentication_config())
                return
            except (ApiError, EtcdError, NotFreshInTime, OSError) as error:
                _log.warning("other servers are not told yet which authorities to trust: %s", error)
                await asyncio.sleep(0.5)

    async def _catch_up(self) -> None:
        try:
            await self.store.hub.wait_for(await self.store.etcd.current_revision())
        except (EtcdError, NotFreshInTime) as error:
            _log.warning("the cache may be behind: %s", error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def start(self) -> None:
        """Serve. Raises DaemonError where etcd does not answer or the port cannot be had."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._reach_etcd()
        except TimeoutError:
            raise DaemonError(f"etcd ({', '.join(self._flags.etcd_servers)}) does not answer") from None
        try:
            await self._front.start(self._flags.bind_address, self._flags.secure_port, self._tls.context)
        except OSError as error:
            raise DaemonError(
                f"cannot listen on {self._flags.bind_address}:{self._flags.secure_port}: {error}"
            ) from error
        self._spawn(self._tls.follow())
        if self._flags.etcd_compaction_interval > 0:
            self._spawn(compact_for_ever(self.store.etcd, self._flags.etcd_compaction_interval))
        self._spawn(self._bootstrap())
        self._spawn(self._definitions.run())
        self._spawn(self._aggregator.run())

    async def _reach_etcd(self) -> None:
        while True:
            try:
                await self.store.start()
                await self.store.ensure_cached(*sorted(self.security.caches))
                await self.store.ensure_cached(("", "namespaces"), DEFINITIONS, *aggregator.CACHES)
                return
            except EtcdError as error:
                _log.warning("waiting for etcd: %s", error)
                await self.store.hub.stop()
                await asyncio.sleep(0.5)

    async def _bootstrap(self) -> None:
        """What every cluster holds; tried until it is there."""
        while True:
            try:
                await reconcile(self.store, self._authentication_config())
                await self._aggregator.register()
                self.health.bootstrapped = True
                break
            except (ApiError, EtcdError, NotFreshInTime) as error:
                _log.warning("the cluster's first objects are not all there yet: %s", error)
                await asyncio.sleep(0.5)
        if self._flags.endpoint_reconciler_type == "lease":
            self._spawn(self._kubernetes.keep())

    def _authentication_config(self) -> dict[str, Any] | None:
        """The ConfigMap from which other servers learn how to authenticate users of this one."""
        flags = self._flags
        data: dict[str, str] = {}
        if flags.client_ca_file:
            data["client-ca-file"] = Path(flags.client_ca_file).read_text()
        if flags.requestheader_client_ca_file:
            import json

            data["requestheader-client-ca-file"] = Path(flags.requestheader_client_ca_file).read_text()
            for name in ("allowed_names", "username_headers", "group_headers", "extra_headers_prefix"):
                data[f"requestheader-{name.replace('_', '-')}"] = json.dumps(getattr(flags, f"requestheader_{name}"))
        if not data:
            return None
        return {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
            "data": data,
        }

    async def stop(self) -> None:
        """Stop as a load balancer likes it: not ready first, then no watches, then no requests, then no more."""
        self.health.stopping = True
        if self._flags.shutdown_delay_duration:
            await asyncio.sleep(self._flags.shutdown_delay_duration)
        self._stopping.set()
        await self._kubernetes.withdraw()
        for task in self._tasks:
            task.cancel()
        self.store.hub.end_feeds()
        deadline = asyncio.get_running_loop().time() + _DRAIN_SECONDS
        while self._inflight.total and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a count
            await asyncio.sleep(0.02)
        await self._front.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._aggregator.close()
        await self._webhooks.close()
        await self.store.stop()
        if self._auditor is not None:
            await asyncio.to_thread(self._auditor.close)
