"""Memory that was needed for a moment is given back to the system.

The C library keeps freed memory for later. After a burst (a namespace of hundreds of pods that went) that is tens of
megabytes which nothing needs again.
"""

from __future__ import annotations

import asyncio
import ctypes

PERIOD = 60.0


async def keep_giving_back() -> None:
    """Trim the heap for ever; does nothing where the C library can't."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return
    while True:
        await asyncio.sleep(PERIOD)
        trim(ctypes.c_size_t(0))
