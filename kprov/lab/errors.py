"""What can go wrong in the lab, told to the person who must act."""

from __future__ import annotations


class LabError(RuntimeError):
    """The lab could not do what was asked; the message says what to do next."""
