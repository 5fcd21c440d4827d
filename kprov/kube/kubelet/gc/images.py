"""Removes images that no container uses, when the disk fills."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from kprov.kube.api import clock
from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.node import facts
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.manager import PodManager

log = logging.getLogger(__name__)

PERIOD = 300.0


class ImageCleaner:
    """Looks at the images' disk now and then."""

    def __init__(self, host: Host, pods: PodManager, pause_image: str = "") -> None:
        """``pause_image`` is kept, like every image that the runtime has pinned or that looks like a pause image."""
        self._host, self._pods, self._pause = host, pods, pause_image
        self._seen: dict[str, float] = {}  # image -> when it was last in use, or first seen

    async def run(self) -> None:
        """Clean for ever."""
        while True:
            try:
                await self.once()
            except RuntimeFailure as failure:
                log.warning("images are not cleaned: %s", failure)
            await asyncio.sleep(PERIOD)

    async def once(self) -> list[str]:
        """Look once; returns the images that were removed. Raises RuntimeFailure."""
        config, now = self._host.config, clock.steady()
        used = {container.image_ref for container in await self._host.runtime.containers()}
        images = await self._host.runtime.images()
        for image in images:
            names = {image.id, *image.repo_digests, *image.repo_tags}
            if names & used or image.id not in self._seen:
                self._seen[image.id] = now
        self._seen = {key: moment for key, moment in self._seen.items() if any(image.id == key for image in images)}
        idle = [image for image in images if self._seen[image.id] < now and not self._kept(image)]
        idle.sort(key=lambda image: self._seen[image.id])
        removed = []
        if config.image_maximum_age:
            for image in [each for each in idle if now - self._seen[each.id] > config.image_maximum_age]:
                removed.append(await self._remove(image))
                idle.remove(image)
        excess = await self._excess()
        for image in idle:
            if excess <= 0:
                break
            if now - self._seen[image.id] < config.image_minimum_age:
                continue
            removed.append(await self._remove(image))
            excess -= image.size
        return removed

    def _kept(self, image: pb.Image) -> bool:
        names = [*image.repo_tags, *image.repo_digests]
        return image.pinned or self._pause in names or any("/pause:" in name or "/pause@" in name for name in names)

    async def _excess(self) -> int:
        """Bytes to free, when more than imageGCHighThresholdPercent of the disk is in use."""
        config = self._host.config
        filesystems = await self._host.runtime.image_filesystems()
        place = Path(filesystems[0].fs_id.mountpoint) if filesystems else Path("/var/lib/containerd")
        disk = await asyncio.to_thread(facts.disk, place)
        used = disk.size - disk.available
        if not disk.size or used * 100 < disk.size * config.image_gc_high:
            return 0
        return used - disk.size * config.image_gc_low // 100

    async def _remove(self, image: pb.Image) -> str:
        await self._host.runtime.remove_image(image.id)
        name = (*image.repo_tags, image.id)[0]
        log.info("removed image %s, %d bytes", name, image.size)
        return name
