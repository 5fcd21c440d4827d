"""The passphrase that the authorities' keys are sealed with, for commands that do not ask for it."""

from __future__ import annotations

import os
from pathlib import Path

PASSPHRASE = "KPROV_PASSPHRASE"  # noqa: S105 - the name of a variable
CREDENTIAL = "kprov-passphrase"
"""The name of systemd's credential that holds it, for units (systemd.exec, LoadCredential)."""
_CREDENTIALS = "CREDENTIALS_DIRECTORY"


def passphrase_given() -> str | None:
    """What the environment says, else what systemd gave to the unit that this runs in; None where neither does."""
    if given := os.environ.get(PASSPHRASE):
        return given
    if folder := os.environ.get(_CREDENTIALS):
        try:
            return (Path(folder) / CREDENTIAL).read_text().rstrip("\n") or None
        except FileNotFoundError:
            return None
    return None
