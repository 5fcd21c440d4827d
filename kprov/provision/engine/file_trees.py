"""What lies in a folder of the controller."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kprov.provision.engine.scope import TemplateProblem

# A folder that holds more is rather the wrong one (or its root), and an archive is the way for the right one.
MOST = 100_000


def tree_of(folder: Path, *, follow: bool) -> Iterator[tuple[Path, str | None]]:
    """Everything in a folder, what holds something before what it holds, in the order of names.

    Args:
        folder: the folder itself is not among them.
        follow: what links point to is taken for them.

    Yields:
        A path, and what it points to where it is a link that is not followed.

    Raises:
        TemplateProblem: it can't be read, leads into itself, or holds what is no file.
    """
    left = MOST

    def inside(place: Path, above: tuple[str, ...]) -> Iterator[tuple[Path, str | None]]:
        nonlocal left
        real = os.path.realpath(place)
        if real in above:
            raise TemplateProblem(f"{place} on the controller is a link to a folder that it lies in")
        try:
            with os.scandir(place) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise TemplateProblem(f"folder {place} on the controller: {error.strerror}") from None
        for entry in entries:
            left -= 1
            if left < 0:
                raise TemplateProblem(f"{folder} on the controller holds more than {MOST} files; send an archive")
            path = place / entry.name
            if entry.is_symlink() and not follow:
                yield path, str(path.readlink())
            elif entry.is_dir():
                yield path, None
                yield from inside(path, (*above, real))
            elif entry.is_file():
                yield path, None
            else:
                words = "points to nothing" if entry.is_symlink() else "is neither file nor folder"
                raise TemplateProblem(f"{path} on the controller {words}")

    return inside(folder, ())
