"""Turns containers' logs over when they are large, and compresses old ones."""

# ruff: noqa: ASYNC240 - small local files, read in no time
from __future__ import annotations

import asyncio
import gzip
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.manager import PodManager

log = logging.getLogger(__name__)

PERIOD = 10.0


class LogRotator:
    """Looks at the size of running containers' logs."""

    def __init__(self, host: Host, pods: PodManager) -> None:
        """Rotate by ``host.config``'s containerLogMaxSize and containerLogMaxFiles."""
        self._host, self._pods = host, pods

    async def run(self) -> None:
        """Look for ever."""
        while True:
            for worker in list(self._pods.workers.values()):
                for container in worker.record.containers:
                    if container.running and container.log_path:
                        try:
                            await self.look(container.id, Path(container.log_path))
                        except (OSError, RuntimeFailure) as problem:
                            log.warning("log %s is not turned over: %s", container.log_path, problem)
            await asyncio.sleep(PERIOD)

    async def look(self, container_id: str, path: Path) -> bool:
        """Turn one log over where it is too large; returns whether it was. Raises OSError, RuntimeFailure."""
        try:
            if path.stat().st_size < self._host.config.log_max_size:
                return False
        except FileNotFoundError:
            # a former turn was cut short between the renaming and the reopening
            await self._host.runtime.reopen_log(container_id)
            return False
        await asyncio.to_thread(_compress_old, path, self._host.config.log_max_files)
        turned = path.with_name(f"{path.name}.{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}")
        path.rename(turned)
        try:
            await self._host.runtime.reopen_log(container_id)
        except RuntimeFailure:
            turned.rename(path)
            raise
        return True


def _compress_old(path: Path, keep: int) -> None:
    """Compress what was turned over before, and leave room for one more file."""
    old = sorted(each for each in path.parent.glob(f"{path.name}.*") if not each.name.endswith(".tmp"))
    for each in old[: max(len(old) - (keep - 2), 0)]:
        each.unlink()
        old.remove(each)
    for each in old:
        if each.suffix == ".gz":
            continue
        packed = each.with_name(each.name + ".gz")
        temporary = each.with_name(each.name + ".tmp")
        with each.open("rb") as source, gzip.open(temporary, "wb") as target:
            shutil.copyfileobj(source, target)
        temporary.rename(packed)
        each.unlink()
