"""No rubbish shows a person a traceback. The same for hours: ``python tests/unit/fuzz/long_run.py``."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from fuzz_bounds import FOLDER, time_limit
from fuzz_samples import mutated, samples
from fuzz_targets import TARGETS, vault
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kprov.provision.inventory import InventoryErrors, load

# What once was a traceback, a hang or the end of the process; the file's name begins with its target's.
FOUND = sorted((Path(__file__).parent / "found").glob("*"))

quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.parametrize("target", TARGETS)
@quick
@given(seed=st.integers(0, 2**64), rubbish=st.binary(max_size=200))
def test_bent_samples(target: str, seed: int, rubbish: bytes) -> None:
    for data in (mutated(target, random.Random(seed)), rubbish):
        with time_limit():
            TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_samples_are_taken(target: str) -> None:
    for data in samples(target)[0]:
        TARGETS[target](data)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found_once(path: Path) -> None:
    with time_limit():
        TARGETS[path.name.partition("-")[0]](path.read_bytes())


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.yml", BOMB, "stands for more than"),
        ("x.yml", "a: &a [*a]", "contains itself"),
        ("x.yml", "a: &a {<<: *a}", "contains itself"),
        ("x.yml", "[" * 100_000, "levels deep"),
        ("x.yml", "- " * 100_000 + "x", "levels deep"),
        ("x.yml", "\n".join(" " * level + "a:" for level in range(2000)), "levels deep"),
        ("x.yml", "all:\n  hosts:\n    w[0:99999999999]:\n", "more than 10000 hosts"),
        ("x.yml", "all:\n  hosts:\n    w" + "[0:9]" * 20 + ":\n", "more than 10000 hosts"),
        ("x.yml", "all:\n\thosts:\n", "indent with spaces"),
        ("x.ini", "[web]\nw[0:99999999999]\n", "more than 10000 hosts"),
        ("x.ini", "[a:children]\nb\n[b:children]\na\n", "contains itself: a > b > a"),
        ("x.ini", "\ufeff\x00", "NUL byte"),
        ("x.yml", "all: \x00", "NUL byte"),
        ("x.yml", "all: {}\n".encode("utf-16").decode("latin-1"), "UTF-16"),
        ("x.ini", "[web]\nw1 x=\xff\n", "not UTF-8"),
        ("x.ini", "[web]\nw1 x=" + "a" * 70_000, "longer than"),
    ],
    ids=range(16),
)
def test_bombs(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1", "ignore") if "\ufeff" not in text else text.encode())
    with time_limit(10), pytest.raises(InventoryErrors, match=message):
        load(path, cluster=None, vault=vault())


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket", "huge", "loop", "dangling", "NUL"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "hosts.yml"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "folder":
            (path / "sub").mkdir(parents=True)
            (path / "sub" / "up").symlink_to(path)
        case "socket":
            import socket

            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))
        case "huge":
            with path.open("wb") as file:
                file.truncate(100 << 20)
        case "loop":
            path.symlink_to(path)
        case "dangling":
            path.symlink_to(tmp_path / "nothing")
        case "NUL":
            path = Path("a\0b")
    with time_limit(10), pytest.raises(InventoryErrors) as caught:
        load(path, cluster=None)
    assert caught.value.problems[0].message


def test_a_chain_of_groups_that_is_longer_than_pythons_stack(tmp_path: Path) -> None:
    path = tmp_path / "hosts.ini"
    path.write_text("".join(f"[g{n}:children]\ng{n + 1}\n" for n in range(1500)) + "[g1500]\nw1\n")
    with time_limit(30):
        assert len(load(path, cluster=False).hosts["w1"].groups) == 1502


def test_groups_that_share_children_cost_no_power_of_their_number(tmp_path: Path) -> None:
    path = tmp_path / "hosts.ini"
    path.write_text(
        "".join(f"[a{n}:children]\na{n + 1}\nb{n + 1}\n[b{n}:children]\na{n + 1}\nb{n + 1}\n" for n in range(60))
        + "[a60]\nw1\n[b60]\nw2\n"
    )
    with time_limit(10):
        assert len(load(path, cluster=False).hosts["w1"].groups) == 122


def test_the_folder_of_fuzzing_is_in_memory() -> None:
    assert FOLDER.is_dir() and str(FOLDER).startswith("/dev/shm")
