"""Which webhooks are asked a second time: those that wish it, of an object that others changed after them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str]


@dataclass(slots=True)
class Invocations:
    """The webhooks that one write was shown to, in up to two rounds."""

    earlier: set[Key] = field(default_factory=set)  # asked, wish to be asked again, nothing changed since
    due: set[Key] = field(default_factory=set)  # to be asked again
    last: Any = None  # the object as the first round left it
    second: bool = False

    def changed(self) -> None:
        """The object is no longer what those saw that were asked before."""
        self.due |= self.earlier
        self.earlier.clear()

    def begin_second(self, obj: Any) -> None:
        """The second round: other plugins may have changed the object since the first."""
        self.second = True
        if obj != self.last:
            self.changed()

    def end(self, obj: Any) -> None:
        """A round is over."""
        self.last = copy.deepcopy(obj)
