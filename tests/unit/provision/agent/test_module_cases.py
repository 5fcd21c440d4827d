"""Every module's cases, and what holds for all modules. How a case is written: module_case.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from module_case import CASES, Case, cases, play

from kprov.provision.agent import modules


@pytest.mark.parametrize("case", cases(), ids=str)
def test_case(case: Case, tmp_path: Path, monkeypatch: Any) -> None:
    play(case, tmp_path, monkeypatch)


def test_every_module_has_cases_and_every_case_a_module() -> None:
    files = {path.stem for path in CASES.glob("*.yaml")}
    assert files == set(modules.NAMES)
