"""Starts sandboxes and containers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from kprov.kube.kubelet import instruments, names
from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.pods import sandbox as sandboxes
from kprov.kube.kubelet.pods.container import ContainerPlan, container_config
from kprov.kube.kubelet.pods.dns import pod_resolver
from kprov.kube.kubelet.pods.environment import ContainerConfigError, container_environment, service_environment
from kprov.kube.kubelet.pods.hooks import HookError
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.images import ImageError
from kprov.kube.kubelet.pods.mounts import container_mounts, hosts_file
from kprov.kube.kubelet.pods.records import CREATED, PodRecord

Pod = dict[str, Any]


class StartError(Exception):
    """A container could not be started; it waits with ``reason``."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def field_path(pod: Pod, container: str) -> str:
    """The fieldPath by which an event names a container."""
    for key in ("containers", "initContainers", "ephemeralContainers"):
        if any(each["name"] == container for each in pod["spec"].get(key) or []):
            return f"spec.{key}{{{container}}}"
    return ""


def _kind(place: str) -> str:
    """What metrics call a container that an event would name so."""
    kinds = {"spec.initContainers": "init_container", "spec.ephemeralContainers": "ephemeral_container"}
    return kinds.get(place.partition("{")[0], "container")


class Starter:
    """Starts what one pod needs."""

    def __init__(self, host: Host) -> None:
        """``host`` is where everything runs."""
        self._host = host

    def sandbox_config(self, pod: Pod, attempt: int) -> pb.PodSandboxConfig:
        """The description of the pod's sandbox."""
        host = self._host
        hostname, domain = sandboxes.hostname_of(pod, host.hostname, host.config.cluster_domain)
        if pod["spec"].get("setHostnameAsFQDN") and domain:
            hostname = f"{hostname}.{domain}"
        return sandboxes.sandbox_config(
            pod,
            attempt,
            pod_resolver(pod, host.resolver, host.config.cluster_dns, host.config.cluster_domain),
            host.cgroups.parent(pod),
            "" if pod["spec"].get("hostNetwork") else hostname,
            seccomp_default=host.config.seccomp_default,
        )

    async def start_sandbox(self, pod: Pod, record: PodRecord) -> None:
        """Start a new sandbox; raises StartError."""
        host = self._host
        meta = pod["metadata"]
        attempt = max((each.attempt for each in record.sandboxes), default=-1) + 1
        await asyncio.to_thread(host.cgroups.prepare, pod)
        folder = names.log_directory(meta["namespace"], meta["name"], meta["uid"])
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        handler = await self._handler(pod)
        try:
            async with host.create_gate:
                began = time.monotonic()
                await host.runtime.run_sandbox(self.sandbox_config(pod, attempt), handler)
                instruments.SANDBOXES.observe(time.monotonic() - began, handler)
        except RuntimeFailure as failure:
            instruments.FAILED_PODS.inc()
            instruments.FAILED_SANDBOXES.inc(handler)
            message = f"Failed to create pod sandbox: rpc error: code = {failure.code} desc = {failure.message}"
            host.event(pod, "Warning", "FailedCreatePodSandBox", message, "")
            raise StartError("ContainerCreating", message) from None
        instruments.STARTED_PODS.inc()

    async def _handler(self, pod: Pod) -> str:
        """The runtime's own name for the pod's runtime class; raises StartError."""
        name = pod["spec"].get("runtimeClassName")
        if not name:
            return ""
        found = await self._host.lookup("RuntimeClass", "", name)
        if found is None:
            message = f'Failed to create pod sandbox: RuntimeClass "{name}" not found'
            self._host.event(pod, "Warning", "FailedCreatePodSandBox", message, "")
            raise StartError("ContainerCreating", message)
        return str(found.get("handler", ""))

    async def start_container(
        self,
        pod: Pod,
        container: dict[str, Any],
        record: PodRecord,
        volumes: dict[str, Path],
        secrets: list[dict[str, Any]],
    ) -> None:
        """Fetch the image, create the container, start it, and run its postStart hook; raises StartError."""
        host, name = self._host, container["name"]
        place = field_path(pod, name)
        assert record.sandbox is not None
        current = record.latest(name)
        if current is not None and current.state == CREATED:
            await self._quietly_remove(current.id)
        attempt = self._attempt(pod, record, name)
        config = self.sandbox_config(pod, record.sandbox.attempt)

        def report(kind: str, reason: str, message: str) -> None:
            host.event(pod, kind, reason, message, place)

        try:
            image = await host.images.ensure(pod, container, secrets, config, report)
            wanted = await self._describe(pod, container, record, volumes, attempt, image)
        except ImageError as problem:
            raise StartError(problem.reason, str(problem)) from None
        except ContainerConfigError as problem:
            report("Warning", "Failed", f"Error: {problem}")
            raise StartError("CreateContainerConfigError", str(problem)) from None
        except RuntimeFailure as failure:
            raise StartError("ImageInspectError", failure.message) from None
        log = Path(config.log_directory) / name
        await asyncio.to_thread(log.mkdir, parents=True, exist_ok=True)
        try:
            created = await host.runtime.create_container(record.sandbox.id, wanted, config)
        except RuntimeFailure as failure:
            instruments.FAILED_CONTAINERS.inc(_kind(place))
            report("Warning", "Failed", f"Error: {failure.message}")
            raise StartError("CreateContainerError", failure.message) from None
        report("Normal", "Created", f"Created container: {name}")
        try:
            await host.runtime.start_container(created)
        except RuntimeFailure as failure:
            instruments.FAILED_CONTAINERS.inc(_kind(place))
            report("Warning", "Failed", f"Error: {failure.message}")
            raise StartError("RunContainerError", failure.message) from None
        instruments.STARTED_CONTAINERS.inc(_kind(place))
        report("Normal", "Started", f"Started container {name}")
        with contextlib.suppress(OSError):
            await asyncio.to_thread(_link_log, pod, name, created, log / f"{attempt}.log")
        if hook := (container.get("lifecycle") or {}).get("postStart"):
            await self._post_start(pod, container, created, hook, record, place)

    async def _describe(
        self,
        pod: Pod,
        container: dict[str, Any],
        record: PodRecord,
        volumes: dict[str, Path],
        attempt: int,
        image: pb.Image,
    ) -> pb.ContainerConfig:
        host = self._host
        assert record.sandbox is not None
        links = pod["spec"].get("enableServiceLinks") is not False
        services = service_environment(host.services(), pod["metadata"]["namespace"], links)
        addresses = [host.node_ip] if record.sandbox.host_network else record.sandbox.addresses
        status = {**(pod.get("status") or {}), "hostIP": host.node_ip, "hostIPs": [{"ip": host.node_ip}]}
        if addresses:
            status |= {"podIP": addresses[0], "podIPs": [{"ip": address} for address in addresses]}
        seen = {**pod, "status": status}
        environment = await container_environment(seen, container, host.lookup, services, host.allocatable)
        hostname, domain = sandboxes.hostname_of(pod, host.hostname, host.config.cluster_domain)
        paths = names.PodPaths(host.root, pod["metadata"]["uid"])
        hosts = hosts_file(pod, addresses, hostname, domain)
        mounts = await container_mounts(pod, container, volumes, environment, paths, hosts)
        plan = ContainerPlan(
            attempt=attempt,
            image=container.get("image", ""),
            image_ref=image.id,
            environment=environment,
            mounts=mounts,
            memory_capacity=host.memory_capacity,
            image_user=image.uid.value if image.HasField("uid") else (None if image.username else 0),
            image_username=image.username,
            seccomp_default=host.config.seccomp_default,
            cpu_period=host.config.cpu_cfs_period,
            enforce_cpu_limits=host.config.cpu_cfs_quota,
        )
        wanted = container_config(pod, container, plan)
        target = container.get("targetContainerName")
        if target and (found := record.latest(target)) is not None:
            options = wanted.linux.security_context.namespace_options
            options.pid, options.target_id = pb.TARGET, found.id
        return wanted

    def _attempt(self, pod: Pod, record: PodRecord, name: str) -> int:
        current = record.latest(name)
        if current is not None:
            return current.restarts if current.state == CREATED else current.restarts + 1
        status = pod.get("status") or {}
        for key in ("containerStatuses", "initContainerStatuses"):
            for each in status.get(key) or []:
                if each["name"] == name and each.get("containerID"):
                    return int(each.get("restartCount", 0)) + 1
        return 0

    async def _post_start(
        self,
        pod: Pod,
        container: dict[str, Any],
        container_id: str,
        hook: dict[str, Any],
        record: PodRecord,
        place: str,
    ) -> None:
        host, name = self._host, container["name"]
        assert record.sandbox is not None
        address = host.node_ip if record.sandbox.host_network else record.sandbox.addresses[0]
        try:
            await host.hooks.run(hook, container, container_id, address, 0)
        except HookError as problem:
            host.event(pod, "Warning", "FailedPostStartHook", f"PostStartHook failed: {problem}", place)
            host.event(pod, "Normal", "Killing", f"Stopping container {name}: FailedPostStartHook", place)
            with contextlib.suppress(RuntimeFailure):
                await host.runtime.stop_container(
                    container_id, float(pod["spec"].get("terminationGracePeriodSeconds", 30))
                )
            raise StartError("PostStartHookError", str(problem)) from None

    async def _quietly_remove(self, container_id: str) -> None:
        with contextlib.suppress(RuntimeFailure):
            await self._host.runtime.remove_container(container_id)


def _link_log(pod: Pod, name: str, container_id: str, target: Path) -> None:
    """The name under which log collectors look: /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log."""
    meta = pod["metadata"]
    names.CONTAINERS_LOG_DIRECTORY.mkdir(parents=True, exist_ok=True)
    link = names.CONTAINERS_LOG_DIRECTORY / f"{meta['name']}_{meta['namespace']}_{name}-{container_id}.log"
    if not link.is_symlink():
        link.symlink_to(target)


async def pull_secrets(host: Host, pod: Pod) -> list[dict[str, Any]]:
    """The Secrets that a pod names for pulling its images; those that are not there are left out."""
    references = pod["spec"].get("imagePullSecrets") or []
    found = [await host.lookup("Secret", pod["metadata"]["namespace"], each.get("name", "")) for each in references]
    return [each for each in found if each is not None]
