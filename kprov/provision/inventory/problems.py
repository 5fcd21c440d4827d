"""What is wrong with an inventory, said to the person who has to put it right."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Location(NamedTuple):
    """A place in a file. ``line`` counts from 1; None where a file has no lines to speak of."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


Locate = Callable[[str], Location]
"""Says where a setting or a variable was written."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what is wrong and what to write instead."""

    file: str
    line: int | None
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        text = f"{Location(self.file, self.line)}: {self.message}"
        return f"{text}\n    {self.suggestion}" if self.suggestion else text


class InventoryErrors(Exception):
    """Every mistake of an inventory at once, so that one edit can mend them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = sorted(set(problems), key=lambda p: (p.file, p.line or 0, p.message))
        super().__init__("\n".join(map(str, self.problems)))


class UnknownName(KeyError):
    """A host or group that the inventory does not have; the message names the nearest one."""

    exit_code = 2

    def __str__(self) -> str:
        # KeyError would quote the message.
        return str(self.args[0])


class ProblemLog:
    """Where the steps of loading put what they find; nothing is raised before all of them had their say."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.doubts: list[Problem] = []

    def add(self, location: Location, message: str, suggestion: str | None = None) -> None:
        """Note one mistake."""
        self.problems.append(Problem(location.file, location.line, message, suggestion))

    def doubt(self, location: Location, message: str, suggestion: str | None = None) -> None:
        """Note what is a mistake in a cluster's inventory; in another, Ansible takes it, and it is only warned of."""
        self.doubts.append(Problem(location.file, location.line, message, suggestion))

    def raise_if_any(self, *, strict: bool) -> None:
        """Raise InventoryErrors when something was noted.

        Args: ``strict``: whether doubts are mistakes.
        """
        found = [*self.problems, *(self.doubts if strict else ())]
        if found:
            raise InventoryErrors(found)

    def hushed(self) -> ProblemLog:
        """The same log for what is found in an encrypted file: it takes places, and nothing of what stands there."""
        return _HushedLog(self)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was noted yet."""
        return not self.problems and not self.doubts


class _HushedLog(ProblemLog):
    """Notes in another log that something is wrong, without the words."""

    def __init__(self, log: ProblemLog) -> None:
        self.problems, self.doubts = log.problems, log.doubts

    def add(self, location: Location, message: str, suggestion: str | None = None) -> None:
        """Note one mistake by its place."""
        super().add(location, "is not right; more is not said, because the file is encrypted", _LOOK)

    def doubt(self, location: Location, message: str, suggestion: str | None = None) -> None:
        """Note one doubt by its place."""
        super().doubt(location, "is doubtful; more is not said, because the file is encrypted", _LOOK)


_LOOK = "look at the line with: kprov vault view"


def nearest(word: str, candidates: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The candidate most like ``word``, or None when none is like it."""
    found = difflib.get_close_matches(word.lower().replace("-", "_"), list(candidates), n=1, cutoff=cutoff)
    return found[0] if found else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A suggestion for an unknown word: the nearest right one, or the whole choice when none is near."""
    choices = sorted(candidates)
    close = nearest(word, choices)
    if close:
        return f"did you mean {close}?"
    return f"known here: {', '.join(choices)}"


def edit_distance(left: str, right: str) -> int:
    """How many insertions, deletions, changes and swaps of neighbours turn ``left`` into ``right``."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, row = row, current
    return row[-1]
