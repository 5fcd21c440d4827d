"""Host ranges and host patterns, as tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.provision.inventory import Inventory, ranges


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cp1", ["cp1"]),
        ("cp[1:3]", ["cp1", "cp2", "cp3"]),
        ("cp[01:03]", ["cp01", "cp02", "cp03"]),
        ("cp[08:11]", ["cp08", "cp09", "cp10", "cp11"]),
        ("cp[1:10:4]", ["cp1", "cp5", "cp9"]),
        ("cp[a:c]", ["cpa", "cpb", "cpc"]),
        ("r[a:b]-n[1:2].x", ["ra-n1.x", "ra-n2.x", "rb-n1.x", "rb-n2.x"]),
        ("n[:2]", ["n0", "n1", "n2"]),
    ],
)
def test_ranges(text: str, names: list[str]) -> None:
    assert ranges.expand(text) == names


@pytest.mark.parametrize(
    "text", ["cp[3:1]", "cp[c:a]", "cp[1]", "cp[1:", "cp1]", "cp[1:2:0]", "cp[1:99999999]", "cp[a:3]"]
)
def test_bad_ranges(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ranges.expand(text)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("all", "cp1 cp2 cp3 node1 node2"),
        ("*", "cp1 cp2 cp3 node1 node2"),
        ("etcd", "cp1 cp2 cp3"),
        ("node1", "node1"),
        ("etcd:node", "cp1 cp2 cp3 node1 node2"),
        ("etcd,node1", "cp1 cp2 cp3 node1"),
        ("site:&etcd:!cp2", "cp1 cp3"),
        ("!cp2", "cp1 cp3 node1 node2"),
        ("!cp2:etcd", "cp1 cp3"),
        ("cp[1:2]", "cp1 cp2"),
        ("etcd[0]", "cp1"),
        ("cp*[1]", "cp2"),
        ("*[3:]", "node1 node2"),
        ("node?[-1]", "node2"),
        ("etcd[-1]", "cp3"),
        ("etcd[1:]", "cp2 cp3"),
        ("cp*", "cp1 cp2 cp3"),
        ("contr*", "cp1 cp2 cp3"),
        ("~(cp|node)1", "cp1 node1"),
        ("~(?:cp|node)1:!cp1", "node1"),
        ("~cp\\d{1,2}:&etcd:!cp2", "cp1 cp3"),
        ("etcd,node:!cp1", "cp2 cp3 node1 node2"),
        ("etcd[:1]", "cp1 cp2"),
        ("etcd[-2:]", "cp2 cp3"),
        ("etcd[0:-1]", "cp1 cp2 cp3"),
        (" cp1 , node2 ", "cp1 node2"),
        ("etcd:&cp[2:9]", "cp2 cp3"),
        ("all:!etcd[0]:!~node.*", "cp2 cp3"),
        ("node2:cp1", "cp1 node2"),
    ],
)
def test_patterns(sound: Inventory, pattern: str, names: str) -> None:
    assert [host.name for host in sound.match(pattern)] == names.split()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("ndoe1", "did you mean node1"),
        ("etcd[7]", "only 3 hosts"),
        ("", "empty"),
        ("etcd:!nodes", "did you mean node"),
        ("~(", "regular expression"),
        ("cp9*", "no host or group"),
        ("etcd[3:]", "only 3 hosts"),
        ("all:&", "after them"),
        ("@failed", "no host or group"),
    ],
)
def test_patterns_that_name_nothing_are_errors(sound: Inventory, pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sound.match(pattern)


def test_unknown_groups_and_hosts_have_suggestions(sound: Inventory) -> None:
    with pytest.raises(KeyError, match="did you mean control_plane"):
        sound.group("control_plan")
    with pytest.raises(KeyError, match="did you mean node1"):
        sound.host("node11")


def test_a_file_of_patterns(sound: Inventory, tmp_path: Path) -> None:
    retry = tmp_path / "failed.retry"
    retry.write_text("cp1\n\n# a note\nnode[1:2]\n!node1\n")
    assert [host.name for host in sound.match(f"@{retry}", files=True)] == ["cp1", "node2"]
    assert [host.name for host in sound.match(f"@{retry}:cp3", files=True)] == ["cp1", "cp3", "node2"]


@pytest.mark.parametrize(("content", "message"), [(None, "can't be read"), ("", "names no machine"), ("cp8\n", "cp8")])
def test_files_that_name_nothing_are_errors(
    sound: Inventory, tmp_path: Path, content: str | None, message: str
) -> None:
    retry = tmp_path / "failed.retry"
    if content is not None:
        retry.write_text(content)
    with pytest.raises(ValueError, match=message):
        sound.match(f"@{retry}", files=True)
