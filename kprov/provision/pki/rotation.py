"""How far the change of an authority, or of the service-account key, has come: kept beside them, in one small file.

The new one lies in a folder of its own until the end, so the file alone decides which of the two signs and which are
trusted: a run that is cut off anywhere is on one side of a step or on the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.files import write_private

NEXT = "rotation"
"""The folder of the new ones, beside the present ones."""
SERVICE_ACCOUNT = "service-account"
_FILE = "rotation.json"


class Step(StrEnum):
    """The three steps, in order. In each, everybody trusts whoever signs in it, before it and after it."""

    TRUST_BOTH = "trust-both"
    REISSUE = "reissue"
    TRUST_NEW = "trust-new"

    @property
    def next(self) -> Step | None:
        """The step after it; None after the last."""
        steps = list(Step)
        place = steps.index(self) + 1
        return steps[place] if place < len(steps) else None

    def is_after(self, other: Step) -> bool:
        """Whether it comes later."""
        steps = list(Step)
        return steps.index(self) > steps.index(other)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one change stands.

    Attributes:
        step: the step that is being made, or has been made.
        done: everybody has made it.
        since: when it was begun, or ended.
    """

    step: Step
    done: bool = False
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


def load_rotation(folder: Path) -> dict[str, Progress]:
    """By name, as in AUTHORITIES or SERVICE_ACCOUNT: the changes that are under way.

    Raises:
        PkiError: the file is damaged.
    """
    path = folder / _FILE
    try:
        content = json.loads(path.read_text())
        return {
            name: Progress(Step(entry["step"]), bool(entry["done"]), datetime.fromisoformat(entry["since"]))
            for name, entry in content.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PkiError(
            f"{path} is damaged ({error!r}): it says which authorities sign; restore it from a backup"
        ) from None


def save_rotation(folder: Path, progress: Mapping[str, Progress]) -> None:
    """Keep it: whole, or as it was."""
    path = folder / _FILE
    if not progress:
        path.unlink(missing_ok=True)
        return
    listed = {
        name: {"step": str(entry.step), "done": entry.done, "since": entry.since.isoformat()}
        for name, entry in progress.items()
    }
    write_private(path, (json.dumps(listed, indent=1) + "\n").encode())
