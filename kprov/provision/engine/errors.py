"""What the engine raises when it is asked for what cannot be."""

from __future__ import annotations


class EngineError(Exception):
    """The engine was asked for something that cannot be."""
