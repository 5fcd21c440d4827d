"""Durations and the model of timeouts, as tables."""

from __future__ import annotations

import pytest

from kprov.provision.inventory.timeouts import Timeouts, in_words, seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [("90", 90), (90, 90), (1.5, 1.5), ("90s", 90), ("1m30s", 90), ("0.5h", 1800), ("1d", 86400), ("250ms", 0.25)],
)
def test_durations(text: object, number: float) -> None:
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "5 parsecs", "1h30", "31d", "nan", "inf", True, None, "1e3"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("number", "text"), [(0.25, "0.25s"), (45, "45s"), (60, "1m"), (90, "1m30s"), (3600, "1h"), (90061, "1d1h1m1s")]
)
def test_durations_in_words(number: float, text: str) -> None:
    assert in_words(number) == text
    assert seconds(text) == number


def test_options_are_stronger_than_the_inventory() -> None:
    timeouts = Timeouts().changed({"task": "5m", "connect": 3}).with_options(["task=10s", "nodes=1m,quorum=2m"])
    assert (timeouts.task, timeouts.connect, timeouts.nodes, timeouts.quorum) == (10, 3, 60, 120)
    assert timeouts.with_options(["1m30s", "api=2"]) == timeouts.changed({"task": 90, "api": 2})


@pytest.mark.parametrize(
    ("option", "message"),
    [("tsak=3s", "did you mean task"), ("task", "KIND=DURATION"), ("task=soon", "task: 'soon' is no duration")],
)
def test_options_that_are_wrong(option: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Timeouts().with_options([option])


def test_every_kind_says_what_it_is_for() -> None:
    assert all(Timeouts.kinds().values())
    assert "timeout nodes" in Timeouts().expired("nodes")
