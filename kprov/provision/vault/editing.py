"""Lets a person edit a secret: in memory where there is a file system for it, and gone however the editor ends."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from kprov.provision.vault.envelope import VaultError

_MEMORY = Path("/dev/shm")  # noqa: S108 -- a folder of one's own, mode 0700, is made in it


def edit(content: bytes, name: str, beside: Path, environment: Mapping[str, str] = os.environ) -> bytes:
    """What a person made of ``content`` with ``$VISUAL`` or ``$EDITOR``.

    Args:
        content: what is edited.
        name: the file's name, by whose ending editors know what it is.
        beside: the folder to use where there is none in memory.

    Raises VaultError when the editor can't be run or says that it failed.
    """
    command = shlex.split(environment.get("VISUAL") or environment.get("EDITOR") or "vi")
    with _private_folder(beside) as folder:
        file = folder / name
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        with _only_the_editor_is_interrupted():
            try:
                done = subprocess.run([*command, str(file)], check=False)
            except OSError as error:
                raise VaultError(
                    f"the editor {command[0]} can't be run: {error.strerror}", "name another one in EDITOR"
                ) from None
        if done.returncode:
            raise VaultError(f"the editor {command[0]} ended with code {done.returncode}: nothing was changed")
        try:
            return file.read_bytes()
        except OSError as error:
            raise VaultError(f"the editor {command[0]} left no file: {error.strerror}") from None


@contextmanager
def _private_folder(beside: Path) -> Iterator[Path]:
    """A folder of mode 0700 that is gone afterwards, with whatever the editor left in it."""
    in_memory = _MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else None
    try:
        folder = Path(tempfile.mkdtemp(prefix=".kprov-vault-", dir=in_memory or beside))
    except OSError as error:
        raise VaultError(f"no folder for the editor can be made in {in_memory or beside}: {error.strerror}") from None
    with _ended_by_signals():
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP (a closed terminal) leave by way of everybody's ``finally``."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _only_the_editor_is_interrupted() -> Iterator[None]:
    """Ctrl-C at the terminal reaches both; for the editor it means something else than to end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
