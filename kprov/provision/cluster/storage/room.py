"""Says which folder of this computer can't be written to: the system's own words for a full disk name no file."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kprov.provision.cluster.phase import ClusterError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """What is done in the block writes to this folder, and whole files only.

    Raises:
        ClusterError: it can't be written to.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ClusterError(
            f"{folder} has no room: {error.strerror}. Nothing there was replaced: make room, or name another folder, "
            "and run the same command again"
        ) from error
