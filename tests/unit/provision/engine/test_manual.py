"""Every module can be read about: each parameter, and nothing that is not there."""

from __future__ import annotations

import pytest

from kprov.provision.agent import modules
from kprov.provision.engine import manual
from kprov.provision.engine.errands.catalogue import ERRANDS


@pytest.mark.parametrize("name", [*modules.NAMES, *ERRANDS])
def test_every_parameter_is_explained_and_every_explanation_has_its_parameter(name: str) -> None:
    found = manual.manual_of(name)
    assert found is not None
    assert found.title.endswith((".", ")", ":")) and found.title[0].isupper()
    assert found.specification is not None
    assert set(found.parameters) == set(found.specification)
    assert all(found.parameters.values())


def test_every_action_has_a_line() -> None:
    for name in manual.names():
        if name not in modules.NAMES and name not in ERRANDS:
            assert manual.ON_THE_CONTROLLER.get(name), f"{name} has no line in manual.ON_THE_CONTROLLER"


def test_rules_are_sentences() -> None:
    found = manual.manual_of("ansible.builtin.lineinfile")
    assert found is not None
    assert "With `state: present`, `line` must be given." in found.rules
    assert "Only one of `insertbefore` and `insertafter` may be given." in found.rules
    assert manual.manual_of("nosuch") is None
