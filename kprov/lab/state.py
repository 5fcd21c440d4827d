"""Where a lab keeps what it knows: one private folder a lab, and a lock on it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kprov.lab.errors import LabError
from kprov.lab.layout import DEFAULT_NAME, Layout

STATE_ROOT = Path("/var/lib/kprov")
CACHE = Path("/var/cache/kprov/lab")


class LabState:
    """The folder of one lab: its layout, its SSH key and, per machine, the disk and the ids of its processes."""

    def __init__(self, name: str = DEFAULT_NAME, root: Path = STATE_ROOT) -> None:
        self.name = name
        self.folder = root / ("lab" if name == DEFAULT_NAME else f"lab-{name}")
        self.key = self.folder / "id_ed25519"
        self._layout = self.folder / "lab.json"
        # Beside the folder, not inside: `down` removes the folder while it holds the lock.
        self._lock = root / f".{self.folder.name}.lock"

    def machine_folder(self, name: str) -> Path:
        """Everything that belongs to one machine."""
        return self.folder / "machines" / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lab for one change of it. Another process waits for its turn."""
        if os.geteuid() != 0:
            raise LabError("the lab makes machines, so it needs root: run it with sudo")
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with open(self._lock, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def create(self) -> None:
        """Make the folder, for root alone."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)

    def save(self, layout: Layout, inventory: Path) -> None:
        """Remember the layout and the inventory file that was written for it, at once or not at all."""
        self.create()
        partial = self._layout.with_suffix(".partial")
        partial.write_text(json.dumps({"layout": layout.to_json(), "inventory": str(inventory)}, indent=2))
        partial.replace(self._layout)

    def load(self) -> Layout | None:
        """The layout of the lab that exists here, or None."""
        try:
            return Layout.from_json(json.loads(self._layout.read_text())["layout"])
        except FileNotFoundError:
            return None
        except (PermissionError, NotADirectoryError) as error:
            raise LabError(f"cannot read the lab's state: {error.strerror}; run it with sudo") from error

    def inventory(self) -> Path | None:
        """The inventory file that belongs to the lab that exists here, or None."""
        try:
            return Path(json.loads(self._layout.read_text())["inventory"])
        except FileNotFoundError:
            return None

    def layout(self) -> Layout:
        """The layout of the lab that exists here. Raises LabError when there is none."""
        layout = self.load()
        if layout is None:
            raise LabError(f"there is no lab here; make one with: {self.up_command}")
        return layout

    @property
    def up_command(self) -> str:
        """What a person types to make this lab, or to go on with it."""
        return "kprov lab up" + ("" if self.name == DEFAULT_NAME else f" --lab {self.name}")
