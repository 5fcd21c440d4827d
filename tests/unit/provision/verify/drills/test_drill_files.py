"""Files of drills: kprov's own are right, and what is wrong with a person's own is said all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.provision.verify.drills.reader import DrillError, catalogue, choose, read_drill

RIGHT = """
name: mine
title: Something of mine
targets:
  - { where: leader of etcd, unit: etcd }
  - { where: each worker }
harm: touch /run/mine
undo: rm -f /run/mine
hold: 5s
deadline: 1m
requires:
  - { command: test -d /run, because: there is no /run }
bounds: { write_gap: 500ms, service_gap: null }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_every_drill_of_the_catalogue_is_right_and_named_as_its_file() -> None:
    drills = catalogue()
    assert {"sigkill", "sigstop", "partition"} <= set(drills)
    folder = Path(read_drill.__code__.co_filename).with_name("catalogue")
    assert {path.stem for path in folder.iterdir()} == set(drills)


def test_a_file_says_everything(tmp_path: Path) -> None:
    (drill,) = choose([str(written(tmp_path, RIGHT))])
    assert [(each.where, each.unit) for each in drill.targets] == [("leader of etcd", "etcd"), ("each worker", "")]
    assert (drill.hold, drill.deadline) == (5, 60)
    assert drill.bounds.write_gap == 0.5 and drill.bounds.service_gap is None and drill.bounds.heal == 60
    assert drill.requires[0].because == "there is no /run"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("hold: 5s", "hold: soon"), "hold: 'soon' is no duration"),
        (("hold: 5s", "hold: 2h\ndeadlin: 3h"), "deadlin: there is no such key; did you mean deadline?"),
        (("hold: 5s", "hold: 58s"), "must come at least 5 s after the end of the harm"),
        (("each worker", "each wroker"), "there is no place 'each wroker'; did you mean each worker?"),
        (("harm: touch /run/mine\n", ""), "harm: give a script, or power_cut: true"),
        (("undo: rm", "power_cut: true\nundo: rm"), "harm: give a script, or power_cut: true, and not both"),
        (("name: mine", "name: ../mine"), "name: '../mine' must be small letters"),
        (("unit: etcd", "unit: 'etcd; rm'"), "is no name of a systemd unit"),
        (("write_gap: 500ms", "gap: 1s"), "bounds.gap: there is no such key"),
        (("because: there is no /run", "why: it"), "requires[0]: it needs a command, and because"),
        (("title: Something of mine", "title: 3"), "title: write a text, not 3"),
        (("undo: rm -f /run/mine", "disconnects: maybe"), "disconnects: write true or false, not 'maybe'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    assert change[0] in RIGHT
    with pytest.raises(DrillError) as caught:
        read_drill(written(tmp_path, RIGHT.replace(*change)))
    assert told in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a list", "name: [", "\x00"])
def test_what_is_no_drill_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(DrillError, match=r"mine\.yaml"):
        read_drill(written(tmp_path, text))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DrillError) as caught:
        read_drill(written(tmp_path, "nam: x\nhold: soon\n"))
    assert len(str(caught.value).splitlines()) >= 5


def test_names_units_and_all() -> None:
    assert [drill.name for drill in choose(["sigkill,partition"])] == ["sigkill", "partition"]
    (part,) = choose(["sigkill/etcd"])
    assert [target.unit for target in part.targets] == ["etcd"]
    assert {drill.name for drill in choose(["all"])} == set(catalogue())


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("sigkil", "did you mean sigkill?"),
        ("sigkill/ectd", "did you mean etcd?"),
        ("partition/etcd", "it is of no unit"),
        ("./missing.yaml", "missing.yaml"),
    ],
)
def test_what_there_is_not(word: str, told: str) -> None:
    with pytest.raises(DrillError) as caught:
        choose([word])
    assert told in str(caught.value) and caught.value.exit_code == 2
