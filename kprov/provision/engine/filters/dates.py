"""Moments."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any


def _to_datetime(value: Any, format: str = "%Y-%m-%d %H:%M:%S") -> datetime.datetime:
    return datetime.datetime.strptime(str(value), format)


def _strftime(string_format: str, second: Any = None, utc: bool = False) -> str:
    moment = float(second) if second is not None else time.time()
    return time.strftime(string_format, time.gmtime(moment) if utc else time.localtime(moment))


FILTERS: dict[str, Callable[..., Any]] = {"strftime": _strftime, "to_datetime": _to_datetime}
