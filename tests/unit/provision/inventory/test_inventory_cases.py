"""Each file in cases/ is an inventory with mistakes; its last lines say every problem that must be reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.provision.inventory import InventoryErrors, load

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_mistake_is_reported_where_it_is(path: Path) -> None:
    expected = [line.removeprefix("#! ") for line in path.read_text().splitlines() if line.startswith("#! ")]
    with pytest.raises(InventoryErrors) as caught:
        load(path)
    found = []
    for problem in caught.value.problems:
        assert problem.file == str(path)
        found.append(f"{problem.line}: {problem.message}")
        if problem.suggestion:
            found.append(f"    {problem.suggestion}")
    assert found == expected


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 50
