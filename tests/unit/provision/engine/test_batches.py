"""Batches of hosts, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.provision.engine.batches import batches, most_failures, parse


@pytest.mark.parametrize(
    ("serial", "count", "sizes"),
    [
        (None, 5, [5]),
        (None, 0, []),
        ([], 3, [3]),
        (1, 3, [1, 1, 1]),
        (2, 5, [2, 2, 1]),
        (10, 3, [3]),
        (0, 3, [3]),
        ("2", 5, [2, 2, 1]),
        ("40%", 5, [2, 2, 1]),
        ("1%", 5, [1, 1, 1, 1, 1]),
        ("100%", 5, [5]),
        ("250%", 5, [5]),
        ([1, "25%", "100%"], 8, [1, 2, 5]),
        ([1, 3], 9, [1, 3, 3, 2]),
        (["10%", 5], 20, [2, 5, 5, 5, 3]),
        ([1, "100%"], 1, [1]),
        ([5, 1], 0, []),
    ],
)
def test_batches(serial: Any, count: int, sizes: list[int]) -> None:
    hosts = list(range(count))
    found = batches(serial, hosts)
    assert [len(batch) for batch in found] == sizes
    assert [host for batch in found for host in batch] == hosts


@pytest.mark.parametrize("serial", ["many", "-1", "5 %%", True, [1, "x"], 1.5, "%"])
def test_what_is_no_batch(serial: Any) -> None:
    with pytest.raises(ValueError, match="neither a number"):
        batches(serial, list(range(5)))


def test_the_option() -> None:
    assert parse("1, 25%,100%") == [1, "25%", "100%"]
    assert parse("3") == [3]
    for wrong, message in (("", "empty"), ("0", "never end"), ("1,zwei", "neither a number")):
        with pytest.raises(ValueError, match=message):
            parse(wrong)


@pytest.mark.parametrize(
    ("text", "count", "most"), [(None, 9, None), ("0", 9, 0), ("3", 9, 3), ("10%", 9, 0), ("50%", 9, 4), ("0%", 9, 0)]
)
def test_how_many_may_fail(text: str | None, count: int, most: int | None) -> None:
    assert most_failures(text, count) == most
