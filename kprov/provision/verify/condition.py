"""Waits for conditions, never for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from kprov.provision.verify.report import CheckFailed


def wait_until(condition: Callable[[], str], seconds: float, pause: float = 0.25) -> float:
    """Wait until a condition says that nothing is missing.

    Arguments: ``condition`` returns "" when it holds, otherwise what is still missing; an error counts as missing too,
    while there is time, but CheckFailed ends the wait: it can't come true any more. ``seconds`` is the deadline,
    ``pause`` the time between two looks.

    Returns: how many seconds it took.

    Raises:
        CheckFailed: with what was still missing at the deadline.
    """
    started = time.monotonic()
    while True:
        try:
            missing = condition()
        except CheckFailed:
            raise
        except Exception as error:
            missing = str(error) or type(error).__name__
        passed = time.monotonic() - started
        if not missing:
            return passed
        if passed > seconds:
            raise CheckFailed(f"after {seconds:.0f} s: {missing}")
        time.sleep(pause)
