"""What all pod workers share: the runtime, the API, and the facts of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kprov.kube.kubelet.config import KubeletConfig
from kprov.kube.kubelet.cri.client import Runtime
from kprov.kube.kubelet.pods.backoff import Backoff
from kprov.kube.kubelet.pods.cgroups import Cgroups
from kprov.kube.kubelet.pods.dns import Resolver
from kprov.kube.kubelet.pods.hooks import Hooks
from kprov.kube.kubelet.pods.images import ImagePuller
from kprov.kube.kubelet.pods.records import PodReader
from kprov.kube.kubelet.probes.checks import Checker
from kprov.kube.kubelet.volumes.manager import VolumeManager
from kprov.kube.kubelet.volumes.sources import TokenCache

Pod = dict[str, Any]


class Statuses(Protocol):
    """Where workers hand their pods' statuses."""

    def put(self, pod: Pod, status: dict[str, Any]) -> None:
        """Report this status, now or when the API is back."""
        ...

    def overruled(self, pod: Pod) -> bool:
        """Whether another has written conditions of the kubelet's since the last report: it must report them anew.

        A node that was silent is told NotReady, and so are its pods; they are as they were when it speaks again.
        """
        ...

    async def flush(self, uid: str) -> None:
        """Wait until the pod's last status is in the API (or the pod is not)."""
        ...

    def current(self, uid: str) -> dict[str, Any] | None:
        """The newest status of a pod, written or not."""
        ...

    def forget(self, uid: str) -> None:
        """Drop what is known of a pod that is gone."""
        ...


@dataclass(slots=True)
class Host:
    """The shared things. ``lookup`` gets ConfigMaps and Secrets, ``remove_pod`` deletes a pod from the API for good."""

    config: KubeletConfig
    root: Path
    node_name: str
    node_ip: str
    hostname: str
    memory_capacity: int
    allocatable: dict[str, int]
    runtime: Runtime
    reader: PodReader
    volumes: VolumeManager
    images: ImagePuller
    cgroups: Cgroups
    checker: Checker
    hooks: Hooks
    resolver: Resolver
    statuses: Statuses
    lookup: Callable[[str, str, str], Awaitable[dict[str, Any] | None]]
    services: Callable[[], list[dict[str, Any]]]
    event: Callable[[Pod, str, str, str, str], None]  # (pod, type, reason, message, fieldPath)
    remove_pod: Callable[[Pod], Awaitable[None]]
    network_problem: Callable[[], str]  # empty when the pod network is ready
    tokens: TokenCache
    backoff: Backoff = field(default_factory=Backoff)
    started_at: float = 0.0
    create_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
