"""kubelet: puts the parts together and runs them."""

# ruff: noqa: ASYNC240 - small local files, read in no time
from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import sys
import time
from pathlib import Path
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.daemon import DaemonError, ready, run_daemon
from kprov.kube.api.events import EventRecorder
from kprov.kube.api.flags import Flags
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import NODES, PODS, SERVICES
from kprov.kube.api.kubeconfig import KubeconfigError
from kprov.kube.api.serving import HealthServer
from kprov.kube.kubelet import instruments
from kprov.kube.kubelet.certificates.bootstrap import join
from kprov.kube.kubelet.certificates.rotation import Renewer
from kprov.kube.kubelet.certificates.signing import CLIENT_SIGNER
from kprov.kube.kubelet.certificates.store import CertificateStore
from kprov.kube.kubelet.config import ConfigurationError, KubeletConfig, load_config
from kprov.kube.kubelet.cri.client import Runtime, RuntimeFailure
from kprov.kube.kubelet.flags import apply_flags, kubelet_flags
from kprov.kube.kubelet.gc.eviction import Evictor
from kprov.kube.kubelet.gc.images import ImageCleaner
from kprov.kube.kubelet.logs.rotation import LogRotator
from kprov.kube.kubelet.node import facts
from kprov.kube.kubelet.node.agent import NodeAgent
from kprov.kube.kubelet.node.capacity import Capacity, Pressure
from kprov.kube.kubelet.node.kernel_defaults import kernel_problem
from kprov.kube.kubelet.node.shutdown import NodeShutdown
from kprov.kube.kubelet.node.status import NodeSettings
from kprov.kube.kubelet.objects import ObjectReader
from kprov.kube.kubelet.pods.cgroups import Cgroups
from kprov.kube.kubelet.pods.dns import read_resolv_conf
from kprov.kube.kubelet.pods.hooks import Hooks
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.images import ImagePuller
from kprov.kube.kubelet.pods.manager import PodManager
from kprov.kube.kubelet.pods.records import PodReader
from kprov.kube.kubelet.pods.removal import remove_from_api
from kprov.kube.kubelet.pods.status_writer import StatusWriter
from kprov.kube.kubelet.probes.checks import Checker
from kprov.kube.kubelet.server.access import Access
from kprov.kube.kubelet.server.certificate_source import serve_with_certificate
from kprov.kube.kubelet.server.node_server import NodeServer
from kprov.kube.kubelet.volumes.manager import VolumeManager
from kprov.kube.kubelet.volumes.sources import ContentSources, TokenCache

log = logging.getLogger(__name__)


def _configuration(flags: Flags) -> KubeletConfig:
    try:
        config = load_config(Path(flags.config)) if flags.config else KubeletConfig()
        apply_flags(config, flags)
    except (ConfigurationError, ValueError, OSError) as error:
        raise DaemonError(str(error)) from None
    if config.fail_swap_on and (areas := facts.swap()):
        raise DaemonError(f"swap is on ({', '.join(areas)}): switch it off (swapoff -a), or set failSwapOn: false")
    if config.protect_kernel_defaults and (problem := kernel_problem()):
        raise DaemonError(f"protectKernelDefaults: {problem}: set it with sysctl, or set protectKernelDefaults: false")
    if not flags.kubeconfig:
        raise DaemonError("--kubeconfig is needed: kprov's kubelet has no standalone mode")
    return config


def _settings(flags: Flags, config: KubeletConfig) -> NodeSettings:
    hostname = (flags.hostname_override or facts.hostname()).lower()
    try:
        address = flags.node_ip or facts.default_address()
    except OSError:
        raise DaemonError("the machine has no route to others: say its address with --node-ip") from None
    return NodeSettings(
        name=hostname,
        addresses=address.split(","),
        hostname=hostname,
        port=config.port,
        labels=flags.node_labels,
        taints=config.register_with_taints,
        register=config.register_node,
    )


async def _runtime_version(runtime: Runtime) -> str:
    """Wait for the container runtime and say which it is."""
    warned = False
    while True:
        try:
            found = await runtime.version()
            return f"{found.runtime_name}://{found.runtime_version}"
        except RuntimeFailure as failure:
            if not warned:
                log.warning("waiting for the container runtime: %s", failure)
                warned = True
            await asyncio.sleep(1)


def _slim_service(service: dict[str, Any]) -> dict[str, Any]:
    """Of Services, only what environments name."""
    meta, spec = service["metadata"], service.get("spec") or {}
    ports = [
        {key: port[key] for key in ("name", "port", "protocol") if key in port} for port in spec.get("ports") or []
    ]
    kept = {"name": meta["name"], "namespace": meta["namespace"], "resourceVersion": meta.get("resourceVersion")}
    return {"metadata": kept, "spec": {"clusterIP": spec.get("clusterIP"), "ports": ports}}


async def kubelet(flags: Flags) -> None:
    """Run until cancelled."""
    config = _configuration(flags)
    settings = _settings(flags, config)
    certificates = CertificateStore(Path(flags.cert_dir), "kubelet-client")
    if flags.bootstrap_kubeconfig:
        try:
            await join(Path(flags.kubeconfig), Path(flags.bootstrap_kubeconfig), certificates, settings.name)
        except FileNotFoundError as error:
            raise DaemonError(str(error)) from None
    try:
        client = ApiClient.from_kubeconfig(flags.kubeconfig, user_agent=f"kubelet/{settings.name}")
    except KubeconfigError as error:
        raise DaemonError(str(error)) from None
    runtime = Runtime(
        config.runtime_endpoint, image_endpoint=config.image_endpoint, timeout=config.runtime_request_timeout
    )
    try:
        await _run(flags, config, settings, certificates, client, runtime)
    finally:
        await client.close()
        await runtime.close()


async def _run(
    flags: Flags,
    config: KubeletConfig,
    settings: NodeSettings,
    certificates: CertificateStore,
    client: ApiClient,
    runtime: Runtime,
) -> None:
    root = Path(flags.root_dir)
    root.mkdir(parents=True, exist_ok=True)
    version = await _runtime_version(runtime)
    capacity = Capacity.measure(config, root)
    pods = Informer(client, PODS, field_selector=f"spec.nodeName={settings.name}")
    nodes = Informer(client, NODES, field_selector=f"metadata.name={settings.name}")
    services = Informer(client, SERVICES, transform=_slim_service)
    recorder = EventRecorder(client, "kubelet", settings.name)
    objects = ObjectReader(client)
    statuses = StatusWriter(client)
    checker = Checker(runtime)
    tokens = TokenCache(objects.request_token)

    def event(pod: dict[str, Any], kind: str, reason: str, message: str, place: str) -> None:
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"], "fieldPath": place}
        if pod["metadata"].get("name"):
            recorder.event(about, kind, reason, message)

    async def remove_pod(pod: dict[str, Any]) -> None:
        await remove_from_api(client, pod)

    host = Host(
        config=config,
        root=root,
        node_name=settings.name,
        node_ip=settings.addresses[0],
        hostname=settings.hostname,
        memory_capacity=capacity.total["memory"],
        allocatable=capacity.allocatable,
        runtime=runtime,
        reader=PodReader(runtime),
        volumes=VolumeManager(
            root, ContentSources(objects.get, tokens, lambda: capacity.allocatable), objects.get, config.sync_frequency
        ),
        images=ImagePuller(runtime, 1 if config.serialize_image_pulls else config.max_parallel_image_pulls or 8),
        cgroups=Cgroups(
            config.cgroup_driver,
            config.cgroup_root,
            period=config.cpu_cfs_period,
            quota=config.cpu_cfs_quota,
            pids=config.pod_pids_limit,
        ),
        checker=checker,
        hooks=Hooks(runtime, checker),
        resolver=read_resolv_conf(config.resolv_conf),
        statuses=statuses,
        lookup=objects.get,
        services=services.list,
        event=event,
        remove_pod=remove_pod,
        network_problem=lambda: agent.network_problem,
        started_at=time.time(),
        tokens=tokens,
    )
    manager = PodManager(host, pods, nodes)
    agent = NodeAgent(
        client,
        config,
        settings,
        runtime,
        root,
        nodes,
        capacity,
        version,
        healthy=lambda: manager.relist.last == 0 or manager.relist.healthy,
    )

    def unwell() -> str:
        return "" if manager.relist.last == 0 or manager.relist.healthy else "the container runtime does not answer"

    server = NodeServer(host, manager, Access(client, config, settings.name), unwell)
    shutdown = NodeShutdown(manager, agent, config.shutdown_grace, config.shutdown_grace_critical)
    instruments.watch_pods(manager, settings.name)
    health = HealthServer(config.healthz_address, config.healthz_port, live={"runtime": lambda: unwell() or True})
    try:
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            stack.push_async_callback(checker.close)
            stack.push_async_callback(recorder.close)
            await stack.enter_async_context(health.serving())
            for informer in (pods, nodes, services):
                group.create_task(informer.run())
            group.create_task(statuses.run())
            group.create_task(agent.run())
            if config.rotate_certificates and certificates.current.exists():
                ends = instruments.certificate_end("client")
                renewer = Renewer(
                    client,
                    certificates,
                    CLIENT_SIGNER,
                    settings.name,
                    renewed=lambda certificate: ends(certificate.not_after),
                )
                group.create_task(renewer.run())
            serving = await serve_with_certificate(Path(flags.cert_dir), config, settings, client, server, group)
            await services.wait_synced()
            group.create_task(manager.run())
            group.create_task(LogRotator(host, manager).run())
            group.create_task(ImageCleaner(host, manager, flags.pod_infra_container_image).run())
            group.create_task(Evictor(host, manager, lambda: Pressure.measure(config, root)).run())
            await agent.registered.wait()
            if not config.server_tls_bootstrap:
                await serving.wait()
            ready(f"node {settings.name} is registered")
            group.create_task(shutdown.run())
            log.info("ready")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                # In a task of its own: this one is being cancelled. All others still work meanwhile.
                await asyncio.create_task(shutdown.at_stop())
                raise
    except* (OSError, ssl.SSLError) as failures:
        first = failures.exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise DaemonError(f"{type(first).__name__}: {first}") from None
    finally:
        await server.stop()


def main() -> None:
    """The program's entry."""
    sys.exit(run_daemon("kubelet", kubelet, kubelet_flags()))


if __name__ == "__main__":
    main()
