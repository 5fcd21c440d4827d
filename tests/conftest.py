"""Fixtures for all tests."""

from __future__ import annotations

import os

import pytest

# Tests leave nothing behind, also not for a minute; those of what is kept ask for it.
os.environ["KPROV_KEEP_CONNECTIONS"] = "0"


@pytest.fixture
def root() -> None:
    """For tests that need the rights of root, as all integration tests may."""
    if os.geteuid() != 0:
        pytest.fail("this test needs root: run it as ./dev test does")
