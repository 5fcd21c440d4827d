"""Stops containers and whole pods, gracefully, and removes what is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from kprov.kube.kubelet import names
from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.pods.hooks import HookError
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.records import EXITED, ContainerRecord, PodRecord
from kprov.kube.kubelet.pods.resources import is_sidecar
from kprov.kube.kubelet.pods.starter import field_path

Pod = dict[str, Any]

MIN_GRACE_AFTER_HOOK = 2


class Stopper:
    """Stops what one pod runs."""

    def __init__(self, host: Host) -> None:
        """``host`` is where everything runs."""
        self._host = host

    async def stop_container(
        self,
        pod: Pod,
        record: ContainerRecord,
        container: dict[str, Any] | None,
        address: str,
        grace: float,
        message: str = "",
    ) -> None:
        """Run the preStop hook, then end the container within what is left of ``grace``. Raises RuntimeFailure."""
        host = self._host
        place = field_path(pod, record.name)
        host.event(pod, "Normal", "Killing", message or f"Stopping container {record.name}", place)
        remaining = max(grace, 1)
        hook = (container.get("lifecycle") or {}).get("preStop") if container else None
        if hook is None and container is None and record.pre_stop:
            hook = json.loads(record.pre_stop)
        if hook and grace > 0 and record.running:
            begun = time.monotonic()
            try:
                async with asyncio.timeout(grace):
                    await host.hooks.run(hook, container or {"name": record.name}, record.id, address, grace)
            except TimeoutError:
                host.event(
                    pod, "Warning", "FailedPreStopHook", f"PreStopHook failed: did not end within {grace:g} s", place
                )
            except HookError as problem:
                host.event(pod, "Warning", "FailedPreStopHook", f"PreStopHook failed: {problem}", place)
            remaining = max(grace - (time.monotonic() - begun), MIN_GRACE_AFTER_HOOK)
        try:
            await host.runtime.stop_container(record.id, remaining)
        except RuntimeFailure as failure:
            if not failure.not_found:
                raise

    async def stop_pod(self, pod: Pod, record: PodRecord, grace: float) -> None:
        """Stop all containers (sidecars last, newest first), then the sandboxes. Raises RuntimeFailure."""
        spec = pod["spec"]
        wanted = {each["name"]: each for key in ("initContainers", "containers") for each in spec.get(key) or []}
        sidecars = [each["name"] for each in spec.get("initContainers") or [] if is_sidecar(each)]
        address = self._host.node_ip
        if record.sandbox and record.sandbox.addresses:
            address = record.sandbox.addresses[0]
        deadline = time.monotonic() + grace
        first = [each for each in record.running if each.name not in sidecars]
        await _all(self.stop_container(pod, each, wanted.get(each.name), address, grace) for each in first)
        for name in reversed(sidecars):
            left = max(deadline - time.monotonic(), 0)
            mine = [each for each in record.running if each.name == name]
            await _all(self.stop_container(pod, each, wanted[name], address, left) for each in mine)
        await self.stop_sandboxes(record)

    async def stop_sandboxes(self, record: PodRecord) -> None:
        """Stop every sandbox and give its address back; raises RuntimeFailure."""
        for sandbox in record.sandboxes:
            try:
                await self._host.runtime.stop_sandbox(sandbox.id)
            except RuntimeFailure as failure:
                if not failure.not_found:
                    raise

    async def remove_all(self, record: PodRecord) -> None:
        """Remove containers, sandboxes and logs of a pod that is gone; raises RuntimeFailure."""
        host = self._host
        for container in record.containers:
            with contextlib.suppress(RuntimeFailure):
                await host.runtime.remove_container(container.id)
        for sandbox in record.sandboxes:
            try:
                await host.runtime.stop_sandbox(sandbox.id)
                await host.runtime.remove_sandbox(sandbox.id)
            except RuntimeFailure as failure:
                if not failure.not_found:
                    raise
        if record.name:
            folder = names.log_directory(record.namespace, record.name, record.uid)
            await asyncio.to_thread(_remove_logs, folder, [each.id for each in record.containers])
        host.reader.forget(record)

    async def prune(self, record: PodRecord, keep: int = 1) -> None:
        """Remove dead containers beyond the newest ``keep`` of each name, and sandboxes that hold nothing."""
        host = self._host
        gone: set[str] = set()
        for name in {each.name for each in record.containers}:
            mine = [each for each in record.containers if each.name == name]
            dead = [each for each in mine[1:] if each.state == EXITED]
            for each in dead[keep:]:
                with contextlib.suppress(RuntimeFailure):
                    await host.runtime.remove_container(each.id)
                    gone.add(each.id)
                    await asyncio.to_thread(_remove_log, each.log_path)
        held = {each.sandbox for each in record.containers if each.id not in gone}
        for sandbox in record.sandboxes[1:]:
            if not sandbox.ready and sandbox.id not in held:
                with contextlib.suppress(RuntimeFailure):
                    await host.runtime.remove_sandbox(sandbox.id)


async def _all(stops: Any) -> None:
    results = await asyncio.gather(*stops, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _remove_log(path: str) -> None:
    if path:
        file = Path(path)
        for each in file.parent.glob(f"{file.name}*"):
            each.unlink(missing_ok=True)


def _remove_logs(folder: Path, containers: list[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if names.CONTAINERS_LOG_DIRECTORY.is_dir():
        for container_id in containers:
            for link in names.CONTAINERS_LOG_DIRECTORY.glob(f"*-{container_id}.log"):
                link.unlink(missing_ok=True)
