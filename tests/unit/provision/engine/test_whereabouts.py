"""What is told of machines that have been at one task for long."""

from __future__ import annotations

from kprov.provision.engine.whereabouts import AtWork, in_lines


def test_machines_at_the_same_task_share_a_line() -> None:
    busy = [AtWork("w1", "Install packages", 11), AtWork("cp1", "Start etcd", 12), AtWork("w2", "Install packages", 15)]
    assert in_lines(busy, 5) == [("Install packages on w2, w1", 15), ("Start etcd on cp1", 12)]


def test_of_many_machines_some_are_named() -> None:
    busy = [AtWork(f"w{number}", "Install packages", 20 - number) for number in range(8)]
    assert in_lines(busy, 3) == [("Install packages on w0, w1, w2 and 5 more", 20)]


def test_a_script_is_told_by_its_beginning() -> None:
    script = "command python3 -I -c \nimport json, os\nprint(1)\n"
    assert in_lines([AtWork("cp1", script, 16)], 5) == [("command python3 -I -c ... on cp1", 16)]
    ((line, _),) = in_lines([AtWork("cp1", "x" * 300, 16)], 5)
    assert line == f"{'x' * 100} ... on cp1"
