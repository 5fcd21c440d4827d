"""What a call of another server can fail with: apart from what calls, which builders of documents have no use for."""

from __future__ import annotations


class CallFailed(Exception):
    """A webhook could not be asked, or its answer is none."""
