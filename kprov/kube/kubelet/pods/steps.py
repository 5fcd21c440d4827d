"""The steps of one pod's worker, one after the other: news may cut one off, and one that fails is tried again later."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from kprov.kube.kubelet import instruments
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.pods.starter import StartError
from kprov.kube.kubelet.volumes.sources import VolumeError

log = logging.getLogger(__name__)

Step = Callable[[], Coroutine[Any, Any, float | None]]
"""Returns seconds until the next one, None for "when something happens"."""

FIRST_RETRY, LAST_RETRY = 0.5, 15.0


class Steps:
    """Runs steps.

    Args:
        whose: the pod's name, for the log.
    """

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._task: asyncio.Task[float | None] | None = None
        self._retry = FIRST_RETRY

    def interrupt(self) -> None:
        """Cut off the step that is under way, if one is: what it goes by has changed."""
        if self._task is not None:
            self._task.cancel()

    async def run(self, step: Step, kind: str) -> float | None:
        """Run a step. Returns seconds until the next one, None for "when something happens".

        Args:
            step: what is done.
            kind: what metrics call it.
        """
        began = time.monotonic()
        task = self._task = asyncio.create_task(step())
        try:
            delay = await task
            self._retry = FIRST_RETRY
            return delay
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                task.cancel()
                raise
            return 0
        except (StartError, VolumeError, RuntimeFailure, OSError, *API_FAILURES) as problem:
            log.info("pod %s: %s", self._whose, problem)
        except Exception:
            log.exception("pod %s: a step failed", self._whose)
        finally:
            self._task = None
            instruments.SYNCS.observe(time.monotonic() - began, kind)
        self._retry = min(self._retry * 2, LAST_RETRY)
        return self._retry
