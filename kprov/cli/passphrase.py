"""The passphrase that the authorities' keys are sealed with, for commands that do not ask for it."""

from __future__ import annotations

import os

PASSPHRASE = "KPROV_PASSPHRASE"  # noqa: S105 - the name of a variable


def passphrase_given() -> str | None:
    """What the environment says; None where it says nothing."""
    return os.environ.get(PASSPHRASE)
