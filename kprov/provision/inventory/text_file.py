"""A file of an inventory as text, opened with the vault's password where it is encrypted as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.provision.documents import Unreadable, decode, read
from kprov.provision.inventory.problems import Location, ProblemLog
from kprov.provision.vault import Vault, VaultError


@dataclass(slots=True)
class TextFile:
    """A file and all that reading it needs.

    Args:
        path: the file.
        shown: what problems call it: as the user would.
        log: where problems go.
        vault: opens what is encrypted.
    """

    path: Path
    shown: str
    log: ProblemLog
    vault: Vault
    is_secret: bool = False
    """Whether the whole file was encrypted. Known once it was read."""

    def data(self) -> bytes | None:
        """The file's bytes, decrypted; None (and a problem) when they can't be had."""
        try:
            data = read(self.path)
            if self.vault.is_encrypted(data):
                data = self.vault.decrypt(data)
                self.is_secret = True
                self.log = self.log.hushed()
        except Unreadable as error:
            hint = "give the path of an inventory with -i" if error.reason == "no such file" else error.suggestion
            self.log.add(Location(self.shown, error.line), error.reason, hint)
            return None
        except VaultError as error:
            self.log.add(Location(self.shown, 1), error.reason, error.suggestion)
            return None
        return data

    def text(self) -> str | None:
        """The file's text; None (and a problem) when it has none."""
        data = self.data()
        try:
            return None if data is None else decode(data)
        except Unreadable as error:
            self.log.add(Location(self.shown, error.line), error.reason, error.suggestion)
            return None

    def reveal(self, value: Any) -> None:
        """Note every text in ``value`` as a secret when it came from an encrypted file."""
        if self.is_secret:
            self.vault.reveal_all(value)
