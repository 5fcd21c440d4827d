"""What modules may be given."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.provision.agent import modules
from kprov.provision.agent.attributes import mode_bits
from kprov.provision.agent.parameters import Parameter, WrongArguments, coerce

SPECIFICATION = {
    "path": Parameter("path", required=True, aliases=("dest",)),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "mode": Parameter("mode"),
    "count": Parameter("int"),
    "names": Parameter("list"),
    "deep": Parameter("bool", default=False),
}


def test_defaults_aliases_and_coercion() -> None:
    found = coerce(SPECIFICATION, {"dest": "/x", "mode": 0o644, "count": "3", "names": "a, b", "deep": "yes"})
    assert found == {"path": "/x", "state": "present", "mode": "0644", "count": 3, "names": ["a", "b"], "deep": True}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "needs 'path'"),
        ({"path": "x", "stat": "absent"}, "did you mean 'state'?"),
        ({"path": "x", "dest": "y"}, "twice"),
        ({"path": "x", "state": "presnt"}, "did you mean 'present'?"),
        ({"path": "x", "mode": 644}, 'write "0644"'),
        ({"path": "x", "mode": "0888"}, "no octal"),
        ({"path": "x", "count": "many"}, "whole number"),
        ({"path": "x", "deep": "perhaps"}, "true or false"),
        ({"path": ["x"]}, "must be a text"),
    ],
)
def test_everything_wrong_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(WrongArguments, match="(?s)" + words.replace("?", r"\?")):
        coerce(SPECIFICATION, given)


def test_templates_are_not_judged_before_they_are_rendered() -> None:
    assert (
        coerce(SPECIFICATION, {"path": "{{ x }}", "count": "{{ y }}"}, open_value=lambda v: "{{" in str(v))["count"]
        == "{{ y }}"
    )


@pytest.mark.parametrize(
    ("mode", "current", "folder", "bits"),
    [("0640", 0, False, 0o640), ("u=rw,g=r,o=", 0o777, False, 0o640), ("u+x", 0o644, False, 0o744),
     ("a=rX", 0, True, 0o555),
     ("go-rwx", 0o777, False, 0o700), ("u=rwX,go=rX", 0o600, False, 0o644), ("+t", 0o755, True, 0o1755)],
)  # fmt: skip
def test_modes(mode: str, current: int, folder: bool, bits: int) -> None:
    assert mode_bits(mode, current, folder) == bits


@pytest.mark.parametrize("name", modules.NAMES)
def test_every_module_is_whole(name: str) -> None:
    module = modules.load(name)
    assert module.__doc__ and callable(module.run)
    assert all(isinstance(parameter, Parameter) for parameter in module.PARAMETERS.values())


def test_ansible_names_are_known() -> None:
    assert modules.own_name("ansible.builtin.systemd_service") == "systemd"
    assert modules.own_name("community.general.modprobe") == "modprobe"
    assert modules.own_name("yum") is None


def test_of_values_that_are_templates_any_may_come_to_be_omitted() -> None:
    given = {"name": "x", "executable": "{{ a | default(omit) }}", "virtualenv": "{{ b | default(omit) }}"}
    modules.arguments_of("pip", given, open_value=lambda value: "{{" in str(value))
    with pytest.raises(WrongArguments, match="takes only one of"):
        modules.arguments_of("pip", {"name": "x", "executable": "a", "virtualenv": "b"})
