"""Gives a machine its power back when kprov does not live to do so."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

# Reads one word. When none comes, because whoever holds the other end is gone or the time is up, it switches on.
_SCRIPT = 'limit=$1; shift; timeout --foreground "$limit" sh -c "read word" || exec "$@"'


class PowerKeeper:
    """A process of its own that waits for a word; it outlives kprov, whether that is killed or interrupted.

    Args:
        power_on: the command that gives the power back.
        deadline: seconds after which it does so in any case.
    """

    def __init__(self, power_on: Sequence[str], deadline: float) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "sh", f"{deadline:.0f}", *power_on],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for kprov alone
        )

    def dismiss(self) -> None:
        """The power is back: it has nothing to do any more."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"done\n")
            self._process.stdin.close()
        except BrokenPipeError:  # its time was up
            pass
        self._process.wait()
