"""Sets a pod's volumes up, keeps their content fresh, and takes them down."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.kube.api import clock, quantity
from kprov.kube.kubelet.names import PodPaths
from kprov.kube.kubelet.volumes import mounts
from kprov.kube.kubelet.volumes.atomic_writer import UnsafePathError, write_payload
from kprov.kube.kubelet.volumes.host_path import prepare_host_path
from kprov.kube.kubelet.volumes.persistent import claim_name, claim_path
from kprov.kube.kubelet.volumes.sources import ContentSources, VolumeError

Pod = dict[str, Any]

CONTENT = {"configMap": "configmap", "secret": "secret", "downwardAPI": "downward-api", "projected": "projected"}
IN_MEMORY = ("secret", "projected")


@dataclass(slots=True)
class PodVolumes:
    """What is set up for one pod."""

    paths: dict[str, Path] = field(default_factory=dict)
    claims: dict[tuple[str, ...], Path] = field(default_factory=dict)  # (namespace, name) of what is claimed
    refresh_at: float | None = None  # by the steady clock; None: nothing that changes


class VolumeManager:
    """The volumes of all pods."""

    def __init__(
        self,
        root: Path,
        sources: ContentSources,
        fetch: Callable[[str, str, str], Awaitable[dict[str, Any] | None]],
        refresh_every: float = 60,
    ) -> None:
        """``root`` is --root-dir; ``fetch`` gets PersistentVolumes and claims by kind, namespace, name."""
        self._root, self._sources, self._fetch, self._every = root, sources, fetch, refresh_every
        self._known: dict[str, PodVolumes] = {}

    async def prepare(self, pod: Pod) -> PodVolumes:
        """Set up what is not yet there and refresh what is due; raises VolumeError naming the volume."""
        uid = pod["metadata"]["uid"]
        known = self._known.get(uid)
        due = known is None or (known.refresh_at is not None and clock.steady() >= known.refresh_at)
        if known is not None and not due:
            return known
        paths = PodPaths(self._root, uid)
        await asyncio.to_thread(paths.volumes.mkdir, parents=True, exist_ok=True, mode=0o750)
        found = PodVolumes()
        changing: list[float] = []
        for volume in pod["spec"].get("volumes") or []:
            try:
                found.paths[volume["name"]], until = await self._one(pod, volume, paths)
            except (OSError, ValueError, VolumeError, UnsafePathError) as error:
                if known is not None:  # a volume in use keeps its content until it can be refreshed
                    known.refresh_at = clock.steady() + min(self._every, 30)
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from None
            if until is not None:
                changing.append(until)
            if "persistentVolumeClaim" in volume or "ephemeral" in volume:
                claim = (pod["metadata"]["namespace"], claim_name(pod, volume))
                found.claims[claim] = found.paths[volume["name"]]
        found.refresh_at = min(changing) if changing else None
        self._known[uid] = found
        return found

    async def _one(self, pod: Pod, volume: dict[str, Any], paths: PodPaths) -> tuple[Path, float | None]:
        group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
        for kind, plugin in CONTENT.items():
            if kind in volume:
                payload, until = await self._sources.payload(pod, volume)
                folder = paths.volume(plugin, volume["name"])
                await asyncio.to_thread(_fill, folder, payload, group, kind in IN_MEMORY)
                refresh = clock.steady() + self._every
                return folder, refresh if until is None else min(until, refresh)
        if "emptyDir" in volume:
            folder = paths.volume("empty-dir", volume["name"])
            await asyncio.to_thread(_empty, folder, volume["emptyDir"] or {}, group)
            return folder, None
        if "hostPath" in volume:
            source = volume["hostPath"]
            return await asyncio.to_thread(prepare_host_path, source["path"], source.get("type") or ""), None
        if "persistentVolumeClaim" in volume or "ephemeral" in volume:
            path = await claim_path(pod, volume, self._fetch)
            if group is not None:
                await asyncio.to_thread(_own, path, group)
            return path, None
        kind = next((key for key in volume if key != "name"), "none")
        raise VolumeError(f"volumes of type {kind} are not implemented by kprov")

    def refresh_at(self, uid: str) -> float | None:
        """When the pod's volumes are due for a refresh, by the steady clock."""
        known = self._known.get(uid)
        return known.refresh_at if known else None

    def claimed(self) -> dict[tuple[str, ...], Path]:
        """The claims that pods here use, by namespace and name, and where they lie."""
        return {claim: path for known in self._known.values() for claim, path in known.claims.items()}

    def expire(self, uid: str) -> None:
        """Make the next ``prepare`` refresh everything, e.g. after the pod's labels changed."""
        if (known := self._known.get(uid)) and known.refresh_at is not None:
            known.refresh_at = float("-inf")

    async def remove(self, uid: str) -> None:
        """Undo every mount of a pod and remove its folders; raises OSError where something holds on."""
        await asyncio.to_thread(_remove, PodPaths(self._root, uid).folder)
        self._known.pop(uid, None)

    def on_disk(self) -> set[str]:
        """The uids of pods that have folders."""
        folder = self._root / "pods"
        return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()


def _fill(folder: Path, payload: dict[str, Any], group: int | None, in_memory: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if in_memory:
        mounts.mount_tmpfs(folder)
    folder.chmod(0o777)
    write_payload(folder, payload, group)
    if group is not None:
        os.chown(folder, -1, group)
        folder.chmod(0o2777)


def _empty(folder: Path, source: dict[str, Any], group: int | None) -> None:
    fresh = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    medium = source.get("medium") or ""
    if medium == "Memory":
        size = source.get("sizeLimit")
        mounts.mount_tmpfs(folder, quantity.value(size) if size else None)
    elif medium:
        raise VolumeError(f"emptyDir medium {medium} is not implemented by kprov")
    if fresh:
        folder.chmod(0o777)
        if group is not None:
            os.chown(folder, -1, group)
            folder.chmod(0o2777)


def _own(folder: Path, group: int) -> None:
    """Give a volume to the pod's fsGroup, as upstream does: group may write, new files inherit."""
    for inner, folders, files in os.walk(folder):
        for name in files:
            path = Path(inner) / name
            if not path.is_symlink():
                os.chown(path, -1, group)
                path.chmod(path.stat().st_mode | 0o660)
        for name in [".", *folders]:
            path = Path(inner) / name
            if not path.is_symlink():
                os.chown(path, -1, group)
                path.chmod(path.stat().st_mode | 0o2770)


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    for mounted in mounts.mounted_below(folder):
        mounts.unmount(mounted)
    if left := mounts.mounted_below(folder):
        raise OSError(f"{left[0]} is still mounted; nothing below it is removed")
    shutil.rmtree(folder)
