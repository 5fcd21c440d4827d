"""The table of operations names commands that kprov has, and rehearsals that are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from test_bare_metal_guide import parse

CHECKOUT = Path(__file__).resolve().parents[3]
PAGE = CHECKOUT / "docs/reference/operations.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| operation")
]
COMMANDS = sorted({words for row in ROWS for words in re.findall(r"`(kprov [^`]+)`", row[1])})


def test_every_row_is_whole() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        assert len(row) == 5 and all(row), row


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_understood(line: str) -> None:
    parse(shlex.split(line)[1:])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_rehearses_it_is_there(row: list[str]) -> None:
    named = re.findall(r"`([^`]+)`", row[4])
    assert named or row[4] == "the same", row
    for name in named:
        if bench := re.fullmatch(r"(?:\./dev bench |benchmarks/)(\w+)(?:\.py)?", name):
            assert (CHECKOUT / f"benchmarks/{bench[1]}.py").is_file(), name
            continue
        path, _, test = name.partition("::")
        assert f"def {test}(" in (CHECKOUT / "tests/integration" / path).read_text(), name
