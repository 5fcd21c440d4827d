"""Where the passwords of vaults come from: a file, a program's output, or a person."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kprov.provision import programs
from kprov.provision.vault.envelope import DEFAULT_ID, VaultError, check_id
from kprov.provision.vault.pipes import read_within

# A program may have to wake a key agent and wait for a person; one that never ends must not keep kprov for ever.
PATIENCE = 300.0
_LARGEST = 1024 * 1024
_PROMPT = "prompt"

Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """One password that may be asked for. It is read when the first vault needs it.

    Args:
        label: the vault id that it is for; ``default`` where none was named.
        path: a file that holds it or, when executable, prints it; None: a person is asked.
    """

    label: str = DEFAULT_ID
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> PasswordSource:
        """Read ``--vault-id``: ``LABEL@SOURCE`` or ``SOURCE``; a source is a file, a program or the word ``prompt``.

        Raises VaultError.
        """
        label, at, source = text.rpartition("@")
        if not source:
            raise VaultError(f"--vault-id {text}: names no source", "write LABEL@FILE or LABEL@prompt")
        if at and label:
            check_id(label)
        return cls(label or DEFAULT_ID, None if source == _PROMPT else Path(source).expanduser())

    def read(self, ask: Ask | None) -> bytes:
        """The password. Raises VaultError; it is never empty.

        Args: ``ask`` puts a question to a person and returns the answer; None where nobody can be asked.
        """
        if self.path is None:
            if ask is None:
                raise VaultError(
                    f"the password of vault id {self.label} would have to be asked for, and there is no terminal",
                    "give it with --vault-password-file",
                )
            return _checked(ask(f"Vault password ({self.label}): ").encode(), "the vault password")
        try:
            mode = self.path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise VaultError("is a folder, not a vault password file", file=str(self.path))
            runs = stat.S_ISREG(mode) and os.access(self.path, os.X_OK)
            data = _from_program(self.path, self.label) if runs else _from_file(self.path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VaultError(f"vault password file {self.path} can't be read: {reason}") from None
        return _checked(data, f"vault password file {self.path}")


def _checked(data: bytes, what: str) -> bytes:
    password = data.strip()
    if not password:
        raise VaultError(f"{what} is empty")
    return password


def _from_file(path: Path) -> bytes:
    """A file, or a pipe, which is given time to be written to."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = read_within(descriptor, _LARGEST, PATIENCE)
    except TimeoutError:
        raise VaultError(f"vault password file {path} is a pipe that nothing came from in {PATIENCE:.0f} s") from None
    finally:
        os.close(descriptor)
    if len(found) > _LARGEST:
        raise VaultError(f"vault password file {path} is larger than 1 MiB: this is no password")
    return found


def _from_program(path: Path, label: str) -> bytes:
    """What an executable password file prints; one named ``*-client`` is told the vault id, as Ansible does."""
    command = [str(path.absolute())]
    if path.stem.endswith("-client"):
        command += ["--vault-id", label]
    try:
        done = programs.run(command, seconds=PATIENCE, most=_LARGEST, asks=True)
    except programs.TookTooLong:
        raise VaultError(f"vault password program {path} did not end within {PATIENCE:.0f} s") from None
    except programs.PrintedTooMuch:
        raise VaultError(f"vault password program {path} printed more than 1 MiB: this is no password") from None
    except OSError as error:
        hint = "take its executable bit away if it holds the password itself: chmod 600" if error.errno == 8 else None
        raise VaultError(f"vault password program {path} can't be run: {error.strerror}", hint) from None
    if done.code:
        raise VaultError(f"vault password program {path} ended with code {done.code}")
    return done.output
