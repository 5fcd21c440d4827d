"""The levels of the Pod Security Standards, and what a namespace's labels ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kprov.kube.apiserver.admission.pod_security import baseline, restricted
from kprov.kube.apiserver.admission.pod_security.baseline import Check, Violation

Object = dict[str, Any]
PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
_VERSION = re.compile(r"latest|v1\.(0|[1-9]\d*)")

# Of what upstream's checks say the same thing at both levels, the stricter one speaks.
_BASELINE = baseline.CHECKS
_RESTRICTED: tuple[Check, ...] = (
    restricted.allow_privilege_escalation,
    *(
        check
        for check in _BASELINE
        if check not in (baseline.capabilities, baseline.seccomp, baseline.host_path_volumes)
    ),
    *(check for check in restricted.CHECKS if check is not restricted.allow_privilege_escalation),
)


class Level(IntEnum):
    """How much a pod may be; the higher, the less."""

    privileged = 0
    baseline = 1
    restricted = 2


@dataclass(frozen=True, slots=True)
class Standard:
    """A level, in the version of the standards that a label names (all versions mean the newest checks)."""

    level: Level = Level.privileged
    version: str = "latest"

    def __str__(self) -> str:
        return f"{self.level.name}:{self.version}"

    def violations(self, pod: Object) -> list[Violation]:
        """What of a pod (or of a pod template) the standard forbids."""
        if self.level is Level.privileged:
            return []
        annotations = (pod.get("metadata") or {}).get("annotations") or {}
        spec = pod.get("spec") or {}
        checks = _RESTRICTED if self.level is Level.restricted else _BASELINE
        return [found for check in checks if (found := check(annotations, spec)) is not None]


def said(violations: list[Violation]) -> str:
    """Violations as upstream says them: reason (detail), reason (detail)."""
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in violations)


def standards_of(labels: Object) -> dict[str, Standard]:
    """What a namespace's labels ask for, by mode. What is misspelt counts as the strictest, as upstream has it."""
    found = {}
    for mode in MODES:
        name = labels.get(PREFIX + mode)
        if name is None:
            found[mode] = Standard()
            continue
        level = Level.__members__.get(name, Level.restricted if mode == "enforce" else Level.privileged)
        version = labels.get(f"{PREFIX}{mode}-version") or "latest"
        found[mode] = Standard(level, version if _VERSION.fullmatch(version) else "latest")
    return found


def label_errors(labels: Object) -> list[tuple[str, str, str]]:
    """What is wrong with a namespace's labels: (label, value, what it must be)."""
    found = []
    for mode in MODES:
        value = labels.get(PREFIX + mode)
        if value is not None and value not in Level.__members__:
            found.append((PREFIX + mode, value, "must be one of privileged, baseline, restricted"))
        version = labels.get(f"{PREFIX}{mode}-version")
        if version is not None and not _VERSION.fullmatch(version):
            found.append((f"{PREFIX}{mode}-version", version, 'must be "latest" or "v1.x"'))
    return found
