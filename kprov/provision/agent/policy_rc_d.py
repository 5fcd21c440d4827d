"""Whether packages may start their services while they are installed: Debian asks /usr/sbin/policy-rc.d."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

PATH = "/usr/sbin/policy-rc.d"
MARK = "# kprov: what services may do while their package is installed"


def remove_stale(path: str = PATH) -> None:
    """Remove one of ours that a power loss left behind: it would keep services from ever starting."""
    try:
        with open(path) as stream:
            ours = MARK in stream.read()
    except OSError:
        return
    if ours:
        os.unlink(path)


@contextlib.contextmanager
def answering(code: int, path: str = PATH) -> Iterator[None]:
    """Let it answer with an exit code (101: no) for a while; one that is there already is left alone."""
    if os.path.exists(path):
        yield
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    try:
        os.write(descriptor, ("#!/bin/sh\n%s\nexit %d\n" % (MARK, code)).encode())
        os.fchmod(descriptor, 0o755)
        os.close(descriptor)
        yield
    finally:
        remove_stale(path)
