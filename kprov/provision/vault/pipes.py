"""Reads what comes out of a pipe, such as the shell makes for ``<(pass show vault)``, and does not wait for ever."""

from __future__ import annotations

import os
import select
import time


def read_within(descriptor: int, largest: int, patience: float) -> bytes:
    """Everything until the writer's end, at most ``largest`` bytes and one more.

    Raises TimeoutError when nothing more came within ``patience`` seconds in all.
    """
    deadline = time.monotonic() + patience
    found = bytearray()
    while len(found) <= largest:
        if not select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TimeoutError
        piece = os.read(descriptor, min(1 << 20, largest + 1 - len(found)))
        if not piece:
            break
        found += piece
    return bytes(found)
