"""What lookups read from, and how they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kprov.provision.engine.scope import Scope
    from kprov.provision.engine.templating import Templar


class LookupProblem(Exception):
    """A lookup cannot give a value; says what to do."""


@dataclass(frozen=True)
class LookupContext:
    """What lookups read from.

    Args:
        templar: renders templates, and knows where files are.
        scope: the variables.
        kind: the folder that the task's files lie in: files, templates, vars or tasks.
    """

    templar: Templar
    scope: Scope
    kind: str = "files"

    def read(self, kind: str, name: str) -> Path:
        """A file's place. Raises LookupProblem when it is nowhere."""
        found = self.templar.search_path.find(kind, name)
        if found is None:
            places = ", ".join(str(place) for place in self.templar.search_path.places(kind, name))
            raise LookupProblem(f"there is no file {name}; looked for {places}")
        return found


Lookup = Callable[[list[Any], dict[str, Any], LookupContext], list[Any]]


def texts(terms: Sequence[Any]) -> list[str]:
    """All terms as texts, lists among them laid open."""
    return [str(term) for term in flat(terms)]


def flat(terms: Sequence[Any], deep: bool = True) -> list[Any]:
    """All terms, lists among them laid open; only the outermost unless `deep`."""
    found: list[Any] = []
    for term in terms:
        if isinstance(term, (list, tuple)):
            found += flat(term) if deep else term
        else:
            found.append(term)
    return found


def split(value: Any, separators: str) -> list[str]:
    """The parts of a text, or of a list of texts, between separators."""
    if value is None:
        return []
    texts = value if isinstance(value, (list, tuple)) else [value]
    return [part.strip() for text in texts for part in re.split(f"[{separators}]", str(text)) if part.strip()]
