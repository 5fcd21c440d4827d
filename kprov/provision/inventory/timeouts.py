"""How long kprov waits, for what: the one place where it is set.

A kind is a field of Timeouts. It is written under ``kprov_timeouts`` in the inventory, or given with ``--timeout``.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kprov.provision.inventory.problems import did_you_mean

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Longer ones are typing errors; timers of the machines could not keep them either.
_LONGEST = 30 * 86400.0


def _kind(default: str, about: str) -> Any:
    return dataclasses.field(default=seconds(default), metadata={"about": about})


def seconds(value: object) -> float:
    """A duration in seconds: ``90``, ``90s``, ``1m30s``, ``0.5h``.

    Raises: ValueError saying what is wrong with it.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    else:
        text = str(value).strip().lower().replace(" ", "")
        if re.fullmatch(r"\d+(\.\d+)?", text):
            number = float(text)
        elif text and not _PART.sub("", text):
            number = sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
        else:
            raise ValueError(f"{value!r} is no duration: write 90s, 5m or 1h30m")
    if not math.isfinite(number) or not 0 < number <= _LONGEST:
        raise ValueError(f"{value!r} is no duration: it must be more than 0 and at most 30d")
    return number


def in_words(number: float) -> str:
    """A duration as one writes it: 90 is ``1m30s``."""
    if number < 60:
        return f"{number:g}s"
    whole = round(number)
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Every wait of kprov, in seconds."""

    connect: float = _kind("10s", "a machine's SSH port answers")
    login: float = _kind("30s", "sshd has let kprov in, and the agent runs on the machine")
    facts: float = _kind("60s", "the machine's facts are gathered")
    silence: float = _kind("60s", "a connected machine says something; it does every 15 s, whatever it is busy with")
    task: float = _kind("30m", "one task on one machine; what it started there is killed then")
    phase: float = _kind("1h", "one phase on one machine, all its tasks and handlers")
    lock: float = _kind("2s", "another run lets go of a machine's lock")
    finish: float = _kind("10m", "what an interrupted run must not cut off on a machine (dpkg) has ended")
    quorum: float = _kind("90s", "etcd has a quorum, takes a new member, lets it vote")
    ready: float = _kind("60s", "what was changed on a machine says that it is ready, before the next machine's turn")
    nodes: float = _kind("3m", "the machines are nodes that are Ready")
    drain: float = _kind("5m", "the pods of a node that is drained are gone")
    api: float = _kind("10s", "the cluster's API answers one request")
    workload: float = _kind("90s", "the workload that verifies the cluster runs, and runs again after a loss")
    service: float = _kind("60s", "a Service of that workload is reached from a machine")
    heal: float = _kind("2m", "all is well again after a machine was taken away and given back")
    power: float = _kind("2m", "a machine's power switch does its work")

    @classmethod
    def kinds(cls) -> dict[str, str]:
        """Every kind, with what is waited for."""
        return {field.name: str(field.metadata["about"]) for field in dataclasses.fields(cls)}

    def of(self, kind: str) -> float:
        """The seconds of a kind."""
        return float(getattr(self, kind))

    def changed(self, values: Mapping[str, object]) -> Timeouts:
        """These timeouts with some of them as ``values`` says.

        Raises: ValueError naming the kind that is wrong, and the nearest right one.
        """
        known = self.kinds()
        wanted: dict[str, float] = {}
        for kind, value in values.items():
            if kind not in known:
                raise ValueError(f"there is no timeout {kind}: {did_you_mean(str(kind), known)}")
            try:
                wanted[kind] = seconds(value)
            except ValueError as error:
                raise ValueError(f"{kind}: {error}") from None
        return dataclasses.replace(self, **wanted)

    def with_options(self, options: Iterable[str]) -> Timeouts:
        """These timeouts with what ``--timeout KIND=DURATION`` says; a bare duration is a task's; commas separate.

        Raises: ValueError.
        """
        values: dict[str, object] = {}
        for word in (word.strip() for option in options for word in option.split(",")):
            kind, separator, duration = word.partition("=")
            if not separator and not word[:1].isdigit():
                raise ValueError(f"{word!r} is not of the form KIND=DURATION; kinds: {', '.join(self.kinds())}")
            values[kind.strip() if separator else "task"] = duration if separator else word
        return self.changed(values)

    def expired(self, kind: str) -> str:
        """What a message says of a wait that ended."""
        return f"after {in_words(self.of(kind))} (timeout {kind}; a longer one: --timeout {kind}=DURATION)"
