"""Reads drills from files, and says everything that is wrong with one at once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kprov.provision.documents import Unreadable, compose, construct, decode, read
from kprov.provision.inventory.problems import did_you_mean
from kprov.provision.inventory.timeouts import seconds
from kprov.provision.verify.drills.drill import Bounds, Drill, Requirement, Target
from kprov.provision.verify.drills.places import PLACES

CATALOGUE = Path(__file__).with_name("catalogue")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_UNIT = re.compile(r"[A-Za-z0-9@._-]+")
_WORDS = {"name", "title", "harm", "undo"}
_FLAGS = {"power_cut", "disconnects", "takes_all"}
_DURATIONS = {"hold", "deadline"}
_KEYS = _WORDS | _FLAGS | _DURATIONS | {"targets", "requires", "bounds"}
# What a person's own drill may leave to the machine for longer than this is rather a way to lose a machine.
_LONGEST = 3600.0
_MARGIN = 5.0


class DrillError(Exception):
    """A drill that does not exist, or whose file is wrong: everything that is."""

    exit_code = 2


class _Reading:
    """One file's mistakes, as they are found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wrong: list[str] = []

    def keys(self, given: Mapping[str, Any], known: set[str], where: str = "") -> None:
        for key in given:
            if key not in known:
                self.wrong.append(f"{where}{key}: there is no such key; {did_you_mean(str(key), known)}")

    def text(self, given: Mapping[str, Any], key: str, where: str = "") -> str:
        value = given.get(key, "")
        if not isinstance(value, str):
            self.wrong.append(f"{where}{key}: write a text, not {value!r}")
            return ""
        return value.strip()

    def duration(self, value: Any, where: str) -> float:
        try:
            found = seconds(value)
        except ValueError as error:
            self.wrong.append(f"{where}: {error}")
            return 0.0
        if found > _LONGEST:
            self.wrong.append(f"{where}: {value} is more than an hour")
        return found

    def mappings(self, value: Any, key: str) -> list[Mapping[str, Any]]:
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return value
        self.wrong.append(f"{key}: write a list of mappings")
        return []

    def targets(self, value: Any) -> tuple[Target, ...]:
        found = []
        for number, each in enumerate(self.mappings(value, "targets")):
            where = f"targets[{number}]."
            self.keys(each, {"where", "unit"}, where)
            place, unit = self.text(each, "where", where), self.text(each, "unit", where)
            if place not in PLACES:
                self.wrong.append(f"{where}where: there is no place {place!r}; {did_you_mean(place, PLACES)}")
            if unit and not _UNIT.fullmatch(unit):
                self.wrong.append(f"{where}unit: {unit!r} is no name of a systemd unit")
            found.append(Target(place, unit))
        if not found:
            self.wrong.append("targets: say at least one, such as {where: each control_plane}")
        return tuple(found)

    def requirements(self, value: Any) -> tuple[Requirement, ...]:
        found = []
        for number, each in enumerate(self.mappings(value, "requires")):
            where = f"requires[{number}]."
            self.keys(each, {"command", "because"}, where)
            command, because = self.text(each, "command", where), self.text(each, "because", where)
            if not command or not because:
                self.wrong.append(f"{where[:-1]}: it needs a command, and because: what its failure means")
            found.append(Requirement(command, because))
        return tuple(found)

    def bounds(self, value: Any) -> Bounds:
        if not isinstance(value, dict):
            self.wrong.append("bounds: write a mapping, such as {write_gap: 5s}")
            return Bounds()
        self.keys(value, set(Bounds.names()), "bounds.")
        known = {key: each for key, each in value.items() if key in Bounds.names()}
        limits = {key: None if each is None else self.duration(each, f"bounds.{key}") for key, each in known.items()}
        return dataclasses.replace(Bounds(), **limits)

    def drill(self, given: Mapping[str, Any]) -> Drill:
        self.keys(given, _KEYS)
        texts = {key: self.text(given, key) for key in _WORDS}
        for key in _FLAGS & set(given):
            if not isinstance(given[key], bool):
                self.wrong.append(f"{key}: write true or false, not {given[key]!r}")
        flags = {key: given.get(key) is True for key in _FLAGS}
        durations = {key: self.duration(given[key], key) for key in sorted(_DURATIONS & set(given))}
        values: dict[str, Any] = {**texts, **flags, **durations}
        drill = Drill(
            **values,
            targets=self.targets(given.get("targets", [])),
            requires=self.requirements(given.get("requires", [])),
            bounds=self.bounds(given.get("bounds", {})),
        )
        self.whole(drill)
        return drill

    def whole(self, drill: Drill) -> None:
        """What fits together."""
        if not _NAME.fullmatch(drill.name):
            self.wrong.append(f"name: {drill.name!r} must be small letters, digits and -, beginning with a letter")
        if not drill.title:
            self.wrong.append("title: say in a line what happens")
        if bool(drill.harm) == drill.power_cut:
            self.wrong.append("harm: give a script, or power_cut: true, and not both")
        if drill.power_cut and (drill.undo or drill.disconnects):
            self.wrong.append("power_cut: the switch is its own undo; leave undo and disconnects away")
        if drill.deadline < drill.hold + _MARGIN:
            self.wrong.append(
                f"deadline: the machine's own undo, after {drill.deadline:g} s, must come at least {_MARGIN:g} s after "
                f"the end of the harm, {drill.hold:g} s"
            )


def read_drill(path: Path) -> Drill:
    """The drill of one file.

    Raises:
        DrillError: with every mistake, and what to write instead.
    """
    try:
        root = compose(decode(read(path)))
        given = construct(root) if root is not None else None
    except Unreadable as error:
        raise DrillError(f"{path}: {error}") from None
    if not isinstance(given, dict):
        raise DrillError(f"{path}: a drill is a mapping; `kprov verify --list-drills` names some to begin from")
    reading = _Reading(path)
    drill = reading.drill(given)
    if reading.wrong:
        raise DrillError("\n".join(f"{path}: {each}" for each in reading.wrong))
    return drill


def catalogue() -> dict[str, Drill]:
    """kprov's own drills, by name."""
    return {drill.name: drill for drill in map(read_drill, sorted(CATALOGUE.glob("*.yaml")))}


def choose(words: Sequence[str]) -> list[Drill]:
    """The drills that are asked for.

    Args:
        words: names, ``NAME/UNIT`` for one unit's part of a drill, ``all``, or paths of a person's own files, which
            have a / at the beginning, a . or the ending .yaml; each may be several with commas between.

    Raises:
        DrillError: one of them does not exist, or is wrong.
    """
    known = catalogue()
    chosen: dict[str, Drill] = {}
    for word in (part.strip() for each in words for part in each.split(",")):
        if word == "all":
            chosen |= known
        elif word.endswith((".yaml", ".yml")) or word.startswith((".", "/")):
            drill = read_drill(Path(word))
            chosen[drill.name] = drill
        else:
            chosen[word] = _known(word, known)
    return list(chosen.values())


def _known(word: str, known: Mapping[str, Drill]) -> Drill:
    name, _, unit = word.partition("/")
    if name not in known:
        raise DrillError(f"there is no drill {name!r}; {did_you_mean(name, [*known, 'all'])}")
    if not unit:
        return known[name]
    targets = tuple(target for target in known[name].targets if target.unit == unit)
    if not targets:
        units = {target.unit for target in known[name].targets} - {""}
        hint = did_you_mean(unit, units) if units else "it is of no unit"
        raise DrillError(f"the drill {name} has no part for {unit!r}; {hint}")
    return dataclasses.replace(known[name], targets=targets)
