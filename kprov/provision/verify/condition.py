"""Waits for conditions, never for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from kprov.provision.engine.waiting import TELL_SECONDS, progress
from kprov.provision.verify.report import CheckFailed

Tell = Callable[[str], None]


def wait_until(
    condition: Callable[[], str], seconds: float, pause: float = 0.25, *, kind: str = "", tell: Tell | None = None
) -> float:
    """Wait until a condition says that nothing is missing.

    Arguments: ``condition`` returns "" when it holds, otherwise what is still missing; an error counts as missing too,
    while there is time, but CheckFailed ends the wait: it can't come true any more. ``seconds`` is the deadline,
    ``pause`` the time between two looks; ``kind`` names the timeout; ``tell`` is told now and then how it stands.

    Returns: how many seconds it took.

    Raises:
        CheckFailed: with what was still missing at the deadline.
    """
    started = told = time.monotonic()
    while True:
        try:
            missing = condition()
        except CheckFailed:
            raise
        except Exception as error:
            missing = str(error) or type(error).__name__
        now = time.monotonic()
        passed = now - started
        if not missing:
            return passed
        if passed > seconds:
            limit = f" (timeout {kind}; a longer one: --timeout {kind}=DURATION)" if kind else ""
            raise CheckFailed(f"after {seconds:g} s{limit}: {missing}")
        if tell is not None and now - told >= TELL_SECONDS:
            told = now
            tell(f"{progress('', passed, seconds, kind)}: {missing}")
        time.sleep(pause)
