"""The picture of the cluster: who talks to whom, machine by machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kprov.provision.engine.runs import FAILED

_COLUMNS, _WIDTH, _HEIGHT, _GAP = 3, 156, 62, 16
_TOP = 62
_MOST = 30
"""Of a group with more machines those that are in trouble are drawn first, and then as many as there is room for."""


@dataclass(frozen=True, slots=True)
class Box:
    """A machine in the picture."""

    x: int
    y: int
    host: str
    address: str
    parts: str
    state: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A group of machines."""

    y: int
    height: int
    title: str
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole picture; sizes are in its own units."""

    width: int
    height: int
    api: str
    by_virtual_address: bool
    frames: list[Frame]
    box_width: int = _WIDTH
    box_height: int = _HEIGHT


def topology(cluster: Mapping[str, Any], states: Mapping[str, str]) -> Topology | None:
    """The picture of a cluster as the journal has it; None where it does not.

    Args: ``states`` says of each machine ok, changed, failed or unreachable.
    """
    machines = [each for each in cluster.get("machines") or [] if isinstance(each, dict)]
    if not machines:
        return None
    groups = [
        ("Control plane", [each for each in machines if "control_plane" in each.get("groups", ())]),
        ("etcd", [each for each in machines if {"control_plane", "etcd"} & set(each.get("groups", ())) == {"etcd"}]),
        ("Nodes", [each for each in machines if not {"control_plane", "etcd"} & set(each.get("groups", ()))]),
    ]
    frames, y = [], _TOP
    for title, members in groups:
        if members:
            frame = _frame(title, members, states, y)
            frames.append(frame)
            y += frame.height + _GAP
    width = _COLUMNS * _WIDTH + (_COLUMNS + 1) * _GAP
    return Topology(width, y, str(cluster.get("api", "")), bool(cluster.get("virtual_address")), frames)


def _frame(title: str, members: Sequence[Mapping[str, Any]], states: Mapping[str, str], y: int) -> Frame:
    boxes = []
    drawn = _drawn(members, states)
    for number, machine in enumerate(drawn):
        row, column = divmod(number, _COLUMNS)
        inside = min(_COLUMNS, len(drawn) - row * _COLUMNS)
        indent = (_COLUMNS - inside) * (_WIDTH + _GAP) // 2  # a row that is not full stands in the middle
        boxes.append(
            Box(
                _GAP + indent + column * (_WIDTH + _GAP),
                y + 24 + row * (_HEIGHT + 10),
                str(machine.get("host", "")),
                str(machine.get("address", "")),
                _parts(machine.get("groups") or ()),
                states.get(str(machine.get("host", "")), ""),
            )
        )
    rows = (len(drawn) + _COLUMNS - 1) // _COLUMNS
    if len(drawn) < len(members):
        title = f"{title}: {len(drawn)} of {len(members)}, the others are in the table"
    return Frame(y, 24 + rows * (_HEIGHT + 10), title, boxes)


def _drawn(members: Sequence[Mapping[str, Any]], states: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    if len(members) <= _MOST:
        return members
    return sorted(members, key=lambda each: states.get(str(each.get("host", ""))) not in FAILED)[:_MOST]


def _parts(groups: Sequence[str]) -> str:
    names = {"control_plane": "API server", "etcd": "etcd", "node": "pods"}
    return " · ".join(name for group, name in names.items() if group in groups)
