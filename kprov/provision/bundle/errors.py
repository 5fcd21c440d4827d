"""What can go wrong with a bundle, told to the person who must act."""

from __future__ import annotations


class BundleError(RuntimeError):
    """The bundle cannot be built or used; the message says what to do next."""
