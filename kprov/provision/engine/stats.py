"""Values that tasks keep for the end of the run (set_stats)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

RUN = "_run"
"""Where what belongs to no host is kept, as Ansible calls it."""


class Stats:
    """Values by host, and of the run itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.values: dict[str, dict[str, Any]] = {}

    def add(self, host: str | None, data: Mapping[str, Any], *, aggregate: bool) -> None:
        """Keep values.

        Args:
            host: whose they are; None: the run's.
            data: them.
            aggregate: what was kept before is added to: numbers are summed, texts and lists grow, mappings are merged.
                Where the kinds differ, what was there stays. Source: ansible-core's custom statistics.
        """
        with self._lock:
            kept = self.values.setdefault(host or RUN, {})
            for name, value in data.items():
                kept[name] = _together(kept[name], value) if aggregate and name in kept else value


def _together(old: Any, new: Any) -> Any:
    if type(old) is not type(new):
        return old
    if isinstance(old, Mapping):
        return {**old, **new}
    try:
        return old + new
    except TypeError:
        return old
