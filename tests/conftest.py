"""Fixtures for all tests."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def root() -> None:
    """For tests that need the rights of root, as all integration tests may."""
    if os.geteuid() != 0:
        pytest.fail("this test needs root: run it as ./dev test does")
