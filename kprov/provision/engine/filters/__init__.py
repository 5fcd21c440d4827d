"""Filters and tests of templates, under Ansible's names and with Ansible's meanings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kprov.provision.engine.filters import (
    collections,
    community,
    dates,
    digests,
    networks,
    paths,
    serial,
    texts,
    verdicts,
)

FILTERS: dict[str, Callable[..., Any]] = {
    **collections.FILTERS,
    **dates.FILTERS,
    **digests.FILTERS,
    **networks.FILTERS,
    **paths.FILTERS,
    **serial.FILTERS,
    **texts.FILTERS,
}
FILTERS.update({f"ansible.builtin.{name}": filter_ for name, filter_ in list(FILTERS.items())})
FILTERS.update(community.FILTERS)
for _name, _filter in networks.FILTERS.items():
    FILTERS[f"ansible.utils.{_name}"] = FILTERS[f"ansible.netcommon.{_name}"] = _filter

TESTS: dict[str, Callable[..., bool]] = {**verdicts.TESTS}
TESTS.update({f"ansible.builtin.{name}": test for name, test in list(TESTS.items())})
