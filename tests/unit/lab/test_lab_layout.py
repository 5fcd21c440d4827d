"""Planning a lab: names, addresses, releases, groups."""

from __future__ import annotations

import json

import pytest

from kprov.lab.errors import LabError
from kprov.lab.layout import Layout, lay_out


def test_the_usual_lab() -> None:
    layout = lay_out()
    assert [(each.name, each.release, each.address, each.groups) for each in layout.machines] == [
        ("cp1", "12", "10.90.0.11", ("etcd", "control_plane")),
        ("cp2", "12", "10.90.0.12", ("etcd", "control_plane")),
        ("cp3", "12", "10.90.0.13", ("etcd", "control_plane")),
        ("w1", "12", "10.90.0.21", ("node",)),
        ("w2", "13", "10.90.0.22", ("node",)),
    ]
    assert layout.api_virtual_address == "10.90.0.9"
    assert (layout.bridge, layout.gateway, layout.prefix_length) == ("kp-lab", "10.90.0.1", 24)


def test_without_workers_the_control_planes_run_pods() -> None:
    layout = lay_out(control_planes=2, workers=0)
    assert [each.groups for each in layout.machines] == [("etcd", "control_plane", "node")] * 2
    assert all(each.groups == ("node",) for each in lay_out(control_planes=0, workers=2).machines)


@pytest.mark.parametrize(
    ("releases", "expected"),
    [((), ["12", "12", "13", "12"]), (("13",), ["13"] * 4), (("trixie", "12"), ["12", "13", "12", "13"])],
)
def test_releases(releases: tuple[str, ...], expected: list[str]) -> None:
    layout = lay_out(control_planes=1, workers=3, releases=releases)
    assert [machine.release for machine in layout.machines] == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Upper"},
        {"name": "much-too-long"},
        {"name": ""},
        {"subnet": "10.0.0.0/28"},
        {"control_planes": 0, "workers": 0},
        {"workers": 500},
        {"etcd_disk": 16},
        {"etcd_disk": -1},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(LabError):
        lay_out(**wrong)  # type: ignore[arg-type]


def test_link_names_fit_the_kernel() -> None:
    layout = lay_out(name="abcdefg", workers=200)
    assert all(len(layout.host_link(machine.name)) <= 15 for machine in layout.machines)
    assert len(layout.bridge) <= 15


def test_json_round_trip() -> None:
    layout = lay_out(workers=3, etcd_disk=512)
    assert [machine.etcd_disk for machine in layout.machines] == [512, 512, 512, 0, 0, 0]
    assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout


def test_an_unknown_machine_is_told_with_those_there_are() -> None:
    with pytest.raises(LabError, match="cp1, cp2, cp3, w1, w2"):
        lay_out().machine("w9")
