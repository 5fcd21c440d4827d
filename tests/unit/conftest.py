"""Settings of all unit tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says what else the computer does, and what is imported for the first time.
settings.register_profile("kprov", deadline=None)
settings.load_profile("kprov")
