"""Compiled templates that outlive a run: compiling is most of what a role with many templates costs before it begins.

They lie in the user's runtime folder, which nobody else can write to, since what is read from there is executed. Only
code is kept: whatever a template says is computed when it is rendered (see template_code).
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.runtime_folder import runtime_folder

MOST_FILES = 1000


class TemplateCache(jinja2.FileSystemBytecodeCache):
    """Jinja's cache, without which everything works, too: damage and full disks are passed over."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take a template's code from the folder, if it is there and the template is the same."""
        try:
            super().load_bytecode(bucket)
        except Exception:  # whatever reading a damaged file raises
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template's code."""
        try:
            super().dump_bytecode(bucket)
        except OSError:
            return

    def forget_oldest(self, most: int = MOST_FILES) -> None:
        """Keep so many files, those that were written last."""
        found = list(Path(self.directory).iterdir())
        if len(found) > most:
            for path in sorted(found, key=_written, reverse=True)[most:]:
                path.unlink(missing_ok=True)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@functools.cache
def template_cache(folder: Callable[[], Path] = runtime_folder) -> TemplateCache | None:
    """The cache of this user's runs; None where there is no folder that is safe from others.

    Args:
        folder: the folder that it has a folder in; looks whether it is this user's alone.
    """
    # A template's code is a matter of its source, of Jinja and Python, and of what the filters that it names ask for.
    digest = hashlib.sha256(jinja2.__version__.encode() + importlib.util.MAGIC_NUMBER)
    here = Path(__file__).parent
    for path in (here / "template_code.py", here / "templating.py", *sorted((here / "filters").glob("*.py"))):
        status = path.stat()
        digest.update(f"{path} {status.st_mtime_ns} {status.st_size}\n".encode())
    try:
        own = folder() / "templates"
        if own.parent.parent.stat().st_uid not in (0, os.getuid()):
            return None  # root's run with another user's runtime folder: who owns that can put other files there
        own.mkdir(mode=0o700, exist_ok=True)
        cache = TemplateCache(str(own), f"{digest.hexdigest()[:16]}-%s")
        cache.forget_oldest()
    except (Unreachable, OSError):
        return None
    return cache
