"""Hosts in parallel, on a bounded number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


def each(items: Iterable[T], work: Callable[[T], None], forks: int, interrupted: Callable[[], None]) -> None:
    """Do the work for every item, `forks` at a time, and wait for all.

    Args:
        items: for each of them.
        work: the work; what it raises is raised here, after all others have ended.
        forks: threads at most.
        interrupted: on Ctrl-C: makes the work under way end soon.
    """
    waiting = list(items)
    if len(waiting) == 1:
        try:
            work(waiting[0])
        except KeyboardInterrupt:
            interrupted()
            raise
        return
    if not waiting:
        return
    pool = ThreadPoolExecutor(max_workers=min(forks, len(waiting)), thread_name_prefix="kprov")
    try:
        futures: set[Future[None]] = {pool.submit(work, item) for item in waiting}
        pending = futures
        try:
            while pending:
                # A timeout lets Ctrl-C through. Not at each one's end: every look is one at all of them.
                _, pending = wait(pending, timeout=0.5)
        except KeyboardInterrupt:
            for future in futures:
                future.cancel()
            interrupted()
            raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    for future in futures:
        if not future.cancelled():
            future.result()
