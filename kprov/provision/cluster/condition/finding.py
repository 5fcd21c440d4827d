"""One thing that is wrong with a cluster, how bad it is, and what mends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is, worst first."""

    BROKEN = "broken"
    """Something that the cluster is for does not work."""
    DEGRADED = "degraded"
    """All works, but the next loss may end that."""
    NOTE = "note"
    """Nothing yet; somebody should look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    severity: Severity
    where: str
    what: str
    why: str = ""
    """What it means, or what the machine says."""
    mend: str = ""
    """The command, or the act, that mends it."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "severity": str(self.severity)}
