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
from typing import Any

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
    with _private_folder(beside) as folder, _Ending() as ending:
        file = folder / name
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        try:
            code = ending.run([*command, str(file)])
        except OSError as error:
            raise VaultError(
                f"the editor {command[0]} can't be run: {error.strerror}", "name another one in EDITOR"
            ) from None
        if code:
            raise VaultError(f"the editor {command[0]} ended with code {code}: nothing was changed")
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
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Ending:
    """Sees to it that SIGTERM and SIGHUP (a closed terminal) end the editor too, and leave nothing behind.

    Ctrl-C at the terminal reaches both; for the editor it means something else than to end.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Ending:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGHUP)}
        self._before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._numbers:
            raise SystemExit(128 + self._numbers[0])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._numbers.append(number)
        if self._process is not None:
            self._process.kill()

    def run(self, command: list[str]) -> int:
        """The exit code of a program. Raises OSError when it can't be run."""
        # The editor takes Ctrl-C as it always does: what is ignored here would be ignored there.
        with subprocess.Popen(command, preexec_fn=_heed_interrupts) as self._process:
            if self._numbers:  # it came while the program was started
                self._process.kill()
            return self._process.wait()


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
