"""Frames say the same as those that the agent makes itself, whatever is in them."""

from __future__ import annotations

import datetime
import io
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kprov.provision.agent import wire
from kprov.provision.documents import Unsafe
from kprov.provision.transport.outbound import frame

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None))  # type: ignore[arg-type]
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=12
)


def heard(data: bytes) -> Any:
    read = wire.read_text(io.BytesIO(data))
    assert read is not None
    return wire.decode(read[0])


@given(st.dictionaries(st.text(), VALUES))
def test_the_agent_hears_the_same(message: dict[str, Any]) -> None:
    assert heard(frame(message)) == heard(wire.encode(message))


@pytest.mark.parametrize(
    "value", [float("inf"), -math.inf, 2**200, -(2**63) - 1, "\ud800", Unsafe("{{ x }}"), ("a", 1), {1: 2}, {None: 1}]
)
def test_what_only_python_can_write_is_said_all_the_same(value: Any) -> None:
    assert heard(frame({"value": value})) == heard(wire.encode({"value": value}))


def test_no_number_is_no_null() -> None:
    assert math.isnan(heard(frame({"value": [math.nan]}))["value"][0])


@pytest.mark.parametrize("value", [datetime.date(2026, 1, 1), object(), {1, 2}, b"bytes"])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        frame({"value": value})


def test_a_task_begins_as_the_agent_looks_for_it() -> None:
    from kprov.provision.agent.session import _TASK

    for message in ({"op": "task", "id": 1}, {"op": "task", "id": 1, "value": None}):
        assert frame(message)[wire.HEADER.size :].startswith(_TASK)
