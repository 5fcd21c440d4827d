"""Which phases a run does, and which it may not leave out, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.cluster.phase import Phase
from kprov.provision.cluster.selection import Selection, SelectionError, choose, never_been_through
from kprov.provision.cluster.up import UP

PHASES = (
    Phase("Prepare", "all", role="machine", leaves="/prepared"),
    Phase("Install", "all", procedure=lambda *_: None, tags=("packages",), leaves="/installed"),
    Phase("Make a token", "all", procedure=lambda *_: None, tags=("token",), gives="token"),
    Phase("Start the kubelets", "all", role="kubelet", needs=("token",)),
    Phase("Start the keepers", "keepers", role="keeper", tags=("extra", "never")),
    Phase("Label", "all", procedure=lambda *_: None, tags=("labels",)),
)
TASK_TAGS = {
    "machine": [frozenset(), frozenset({"kernel"})],
    "kubelet": [frozenset({"config"}), frozenset({"always"})],
    "keeper": [frozenset()],
}


def chosen(start_at: str = "", tags: str = "", skip: str = "") -> Any:
    return choose(PHASES, Selection(start_at, tuple(tags.split()), tuple(skip.split())), lambda role: TASK_TAGS[role])


@pytest.mark.parametrize(
    ("start_at", "tags", "skip", "titles"),
    [
        ("", "", "", "Prepare, Install, Make a token, Start the kubelets, Label"),
        ("", "all", "", "Prepare, Install, Make a token, Start the kubelets, Label"),
        ("Label", "", "", "Label"),
        ("label", "", "", "Label"),
        ("machine", "", "", "Prepare, Install, Make a token, Start the kubelets, Label"),
        ("start the kub", "", "", "Make a token, Start the kubelets, Label"),
        ("", "packages", "", "Install, Make a token, Start the kubelets"),
        ("", "kernel", "", "Prepare, Make a token, Start the kubelets"),
        ("", "machine", "", "Prepare, Make a token, Start the kubelets"),  # a task of kubelet is tagged always
        ("", "machine", "always", "Prepare"),
        ("", "extra", "kubelet", "Start the keepers"),
        ("", "", "kubelet machine", "Install, Make a token, Label"),
        ("", "", "token", "Prepare, Install, Make a token, Start the kubelets, Label"),
        ("", "", "token kubelet", "Prepare, Install, Label"),
        ("Install", "", "labels", "Install, Make a token, Start the kubelets"),
    ],
)
def test_the_phases_of_a_run(start_at: str, tags: str, skip: str, titles: str) -> None:
    assert ", ".join(phase.title for phase in chosen(start_at, tags, skip).phases) == titles


def test_what_is_run_only_for_another_is_said() -> None:
    assert chosen("start the kub").pulled_in == {"Make a token": "Start the kubelets"}
    assert chosen().pulled_in == {}


@pytest.mark.parametrize(
    ("start_at", "tags", "skip", "message"),
    [
        ("Lable", "", "", "did you mean Label"),
        ("start the k", "", "", 'may mean "Start the kubelets", "Start the keepers"'),
        ("", "nothing", "kubelet", "--list-tags"),
        ("", "", "all always", "--list-tags"),
    ],
)
def test_what_names_no_phase(start_at: str, tags: str, skip: str, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        chosen(start_at, tags, skip)


@pytest.mark.parametrize(
    ("start_at", "tags", "skip", "missing", "gaps"),
    [
        ("Start the kub", "", "", {}, []),
        (
            "Start the kub",
            "",
            "",
            {"w1": {"/installed"}},
            ['"Install" is left out by --start-at-phase, but w1 has not'],
        ),
        (
            "",
            "",
            "packages",
            {"w1": {"/installed"}, "w2": {"/installed"}},
            ["by --skip-tags, but w1, w2 have not been"],
        ),
        ("", "kubelet", "", {"w1": {"/installed", "/prepared"}}, ['"Prepare" is left out by --tags', '"Install" is']),
        # Nothing that is run comes after what is left out.
        ("", "machine", "kubelet", {"w1": {"/installed"}}, []),
        # What can't be asked is no new machine.
        ("Label", "", "", {"w2": None}, []),
    ],
)
def test_what_a_new_machine_can_t_do_without(
    start_at: str, tags: str, skip: str, missing: dict[str, set[str] | None], gaps: list[str]
) -> None:
    hosts = [SimpleNamespace(name="w1"), SimpleNamespace(name="w2")]

    def has(wanted: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
        lacks = {name: missing.get(name, set()) for name in wanted}
        return {name: set(paths) - lack for name, paths in wanted.items() if (lack := lacks[name]) is not None}

    found = never_been_through(PHASES, chosen(start_at, tags, skip), lambda phase: hosts, has)  # type: ignore[arg-type]
    assert len(found) == len(gaps)
    for sentence, words in zip(found, gaps, strict=True):
        assert words in sentence


def test_the_phases_of_up_can_be_told_apart() -> None:
    assert len({phase.title for phase in UP}) == len(UP)
    assert all(phase.all_tags for phase in UP)
    given = {phase.gives for phase in UP}
    assert all(set(phase.needs) <= given for phase in UP)
