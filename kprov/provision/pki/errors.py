"""What can be wrong with the controller's keys."""

from __future__ import annotations


class PkiError(Exception):
    """Something about a key or a certificate that somebody must act on; the message says how."""


class SealedError(PkiError):
    """The authorities' keys are sealed and no passphrase, or a wrong one, was given."""
