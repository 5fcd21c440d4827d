"""The rows of benchmark.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

BENCHMARKS = ("cis-1.20", "cis-1.12")
"""The oldest that is of use, and the newest; they are numbered by Kubernetes' releases first, by their own later."""
_FILE = Path(__file__).with_name("benchmark.yaml")


class Met(StrEnum):
    """How a cluster of kprov's meets what is asked."""

    DEFAULT = "default"
    PROFILE = "profile"
    """With ``security_profile: cis``."""
    OTHERWISE = "otherwise"
    """By other means than the benchmark looks for."""
    NOT = "not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that is asked."""

    ids: dict[str, str]
    """Benchmark -> its number there."""
    title: str
    group: str
    """The group whose machines it is about."""
    scored: bool
    met: Met
    how: str
    check: dict[str, Any] | None = None

    @property
    def number(self) -> str:
        """The newest number, and the older one where it is another."""
        newest, oldest = self.ids.get(BENCHMARKS[1]), self.ids.get(BENCHMARKS[0])
        if newest is None:
            return f"{oldest} of {BENCHMARKS[0]}"
        return newest if oldest in (newest, None) else f"{newest} ({oldest} of {BENCHMARKS[0]})"


@cache
def rows() -> tuple[Row, ...]:
    """Every row, in the benchmark's order."""
    # Numbers such as 2.1 are written in quotes: YAML would make fractions of them, and 1.10 would be 1.1.
    return tuple(Row(**{**row, "met": Met(row["met"])}) for row in yaml.safe_load(_FILE.read_text()))
