"""Moments and lapses are shown as datetime shows them."""

from __future__ import annotations

import datetime

from hypothesis import example, given
from hypothesis import strategies as st

from kprov.provision.agent.moments import Lapse, Moment


@given(st.integers(0, 4_000_000_000_000_000), st.integers(-100_000_000_000, 400_000_000_000))
@example(1_700_000_000_000_000, 0)
@example(1_700_000_000_000_001, -1)
@example(1_700_000_000_000_001, 86_400_000_000)
def test_as_datetime(began: int, lasted: int) -> None:
    moment = datetime.datetime.fromtimestamp(began // 1_000_000).replace(microsecond=began % 1_000_000)
    assert str(Moment(began)) == str(moment)
    assert str(Moment(began + lasted) - Moment(began)) == str(datetime.timedelta(microseconds=lasted))
    assert str(Lapse(lasted)) == str(datetime.timedelta(microseconds=lasted))
