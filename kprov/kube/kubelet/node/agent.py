"""Registers the node, keeps its status true and its lease alive."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import is_already_exists, is_conflict, is_not_found
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import LEASES, NODES
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.config import KubeletConfig
from kprov.kube.kubelet.cri.client import Runtime, RuntimeFailure
from kprov.kube.kubelet.node import status as node_status
from kprov.kube.kubelet.node.capacity import Capacity, Pressure
from kprov.kube.kubelet.node.status import NodeSettings

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"


class NodeAgent:
    """The node's voice in the API."""

    def __init__(
        self,
        client: ApiClient,
        config: KubeletConfig,
        settings: NodeSettings,
        runtime: Runtime,
        root: Path,
        nodes: Informer,
        capacity: Capacity,
        runtime_version: str,
        *,
        healthy: Callable[[], bool],
    ) -> None:
        """``healthy`` says whether the runtime's state is known (relisting works)."""
        self._client, self._config, self.settings, self._runtime, self._root = client, config, settings, runtime, root
        self._nodes, self.capacity, self._healthy = nodes, capacity, healthy
        self._info = node_status.node_info(runtime_version)
        self.network_problem = "the container runtime has not said so yet"
        self.pressure = Pressure()
        self.registered = asyncio.Event()
        self._reported = 0.0
        self._images: list[dict[str, Any]] = []
        self._images_at = 0.0
        self._node: dict[str, Any] = {}
        self.stopping = False  # the machine shuts down

    async def run(self) -> None:
        """Register, then report for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_status())
            group.create_task(self._keep_lease())

    # ---- status

    async def _keep_status(self) -> None:
        await self._refresh()
        pause = 0.2
        while self.settings.register and not self.registered.is_set():
            try:
                await self._register()
                self.registered.set()
            except API_FAILURES as failure:
                log.warning("node %s is not registered yet: %s", self.settings.name, failure or type(failure).__name__)
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))
                pause = min(pause * 2, 7)
        self.registered.set()
        while True:
            ready = not self.network_problem
            try:
                await self._refresh()
                await self._report()
            except API_FAILURES as failure:
                log.warning("node status is not reported: %s", failure or type(failure).__name__)
            # while the network is not there yet, look often: pods wait for it
            soon = not ready or self.network_problem
            await asyncio.sleep(1 if soon else self._config.node_status_update_frequency * random.uniform(0.96, 1.04))

    async def _refresh(self) -> None:
        self.pressure = await asyncio.to_thread(Pressure.measure, self._config, self._root)
        try:
            found = await self._runtime.conditions()
            self.network_problem, self._runtime_problem = "", ""
            ready, network = found.get("RuntimeReady"), found.get("NetworkReady")
            if ready is None or not ready.status:
                self._runtime_problem = f"container runtime is down: {ready.message if ready else 'no status'}"
            if network is None or not network.status:
                reason = (
                    f"NetworkReady=false reason:{network.reason} message:{network.message}" if network else "no status"
                )
                self.network_problem = f"container runtime network not ready: {reason}"
        except RuntimeFailure as failure:
            self._runtime_problem = f"container runtime is down: {failure.message}"
        if time.monotonic() - self._images_at > 60:
            try:
                self._images = node_status.node_images(await self._runtime.images())
                self._images_at = time.monotonic()
            except RuntimeFailure as failure:
                log.warning("cannot list images: %s", failure)

    _runtime_problem = ""

    def _status(self, old: dict[str, Any]) -> dict[str, Any]:
        problems = [each for each in (self._runtime_problem, self.network_problem) if each]
        if not self._healthy():
            problems.append("PLEG is not healthy: the container runtime has not been listed for 3m0s")
        if self.stopping:
            problems.append("node is shutting down")
        conditions = node_status.node_conditions(old.get("conditions") or [], problems, self.pressure)
        return node_status.node_status(self.settings, self.capacity, self._info, conditions, self._images)

    async def _register(self) -> None:
        wanted = node_status.node_object(self.settings, self._status({}))
        try:
            self._node = await self._client.create(NODES, wanted)
            self._reported = time.monotonic()
            log.info("registered node %s", self.settings.name)
            return
        except API_FAILURES as failure:
            if not is_already_exists(failure):
                raise
        self._node = await self._client.get(NODES, self.settings.name)
        labels = self._node["metadata"].get("labels") or {}
        missing = {
            key: value for key, value in node_status.default_labels(self.settings).items() if labels.get(key) != value
        }
        if missing:
            patch = {"metadata": {"labels": missing}}
            self._node = await self._client.patch(NODES, self.settings.name, None, patch, patch_type="strategic")
        log.info("node %s was registered before", self.settings.name)

    async def _report(self) -> None:
        if not self.settings.register:
            return
        node = self._nodes.get(self.settings.name) or self._node
        old = node.get("status") or {}
        new = self._status(old)
        new["allocatable"] |= node_status.extended(old)
        due = time.monotonic() - self._reported >= self._config.node_status_report_frequency
        if not due and not node_status.changed(old, new):
            return
        new["addresses"] = _merged_addresses(old.get("addresses") or [], new["addresses"])
        try:
            self._node = await self._client.patch(
                NODES, self.settings.name, None, {"status": new}, patch_type="strategic", subresource="status"
            )
        except API_FAILURES as failure:
            if is_not_found(failure):
                await self._register()  # somebody deleted the node while the machine lives
                return
            raise
        self._reported = time.monotonic()

    async def report_now(self) -> None:
        """Report at once, e.g. at shutdown; raises what the API client raises."""
        self._reported = float("-inf")
        await self._report()

    # ---- lease

    async def _keep_lease(self) -> None:
        await self.registered.wait()
        if not self.settings.register:
            return
        duration = self._config.node_lease_duration
        lease: dict[str, Any] | None = None
        while True:
            try:
                async with asyncio.timeout(max(duration / 2, 5)):  # a server that hangs must not cost the node its name
                    lease = await self._renew(lease, duration)
            except API_FAILURES as failure:
                log.warning("the node's lease is not renewed: %s", failure or type(failure).__name__)
                if is_conflict(failure) or is_not_found(failure):
                    lease = None
                    await asyncio.sleep(0.2)
                    continue
                await asyncio.sleep(min(duration / 16, 2.5))
                continue
            await asyncio.sleep(duration / 4 * random.uniform(1, 1.04))

    async def _renew(self, lease: dict[str, Any] | None, duration: int) -> dict[str, Any]:
        name = self.settings.name
        if lease is None:
            try:
                lease = await self._client.get(LEASES, name, LEASE_NAMESPACE)
            except API_FAILURES as failure:
                if not is_not_found(failure):
                    raise
        uid = (self._nodes.get(name) or self._node)["metadata"].get("uid")
        owner = [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}] if uid else []
        spec = {"holderIdentity": name, "leaseDurationSeconds": duration, "renewTime": clock.now_micro()}
        if lease is None:
            metadata = {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": owner}
            fresh = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            return await self._client.create(LEASES, fresh)
        metadata = {**lease["metadata"], "ownerReferences": owner or lease["metadata"].get("ownerReferences", [])}
        return await self._client.update(
            LEASES, {**lease, "metadata": metadata, "spec": {**(lease.get("spec") or {}), **spec}}
        )


def _merged_addresses(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Addresses merge by type in a strategic patch, so those that are gone must be named."""
    kinds = {each["type"] for each in new}
    stale = [
        {"$patch": "delete", "type": each["type"], "address": each["address"]}
        for each in old
        if each["type"] not in kinds
    ]
    return [*new, *stale]
