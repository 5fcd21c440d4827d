"""Files stay whole on disks that are full or read-only, and under names and attributes that are out of the ordinary."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.agent import atomic, diffs, identity, processes, wire
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.failures import ModuleFailed

AGENT = Path(atomic.__file__).parent


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "kprov-test", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


LARGE = "x" * 50 + "\n"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("copy", {"dest": "f", "content": LARGE * 4000}),
        ("lineinfile", {"path": "f", "line": "y" * 60_000}),
        ("blockinfile", {"path": "f", "block": LARGE * 2000}),
        ("replace", {"path": "f", "regexp": "^", "replace": LARGE * 2000}),
        ("ini_file", {"path": "f", "section": "s", "option": "o", "value": "y" * 60_000}),
        ("sysctl", {"sysctl_file": "f", "name": "a.b", "value": "y" * 60_000, "reload": False}),
        ("cron", {"cron_file": "f", "name": "n", "job": "y" * 60_000}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_full_disk_loses_nothing(module: Any, small_disk: Path, name: str, arguments: dict[str, Any]) -> None:
    path = small_disk / "f"
    path.write_text("precious\n" * 1000)
    given = {key: str(path) if value == "f" else value for key, value in arguments.items()}
    failure = module.fails(name, **given)
    assert "disk is full" in failure.message
    assert path.read_text() == "precious\n" * 1000
    assert [each.name for each in small_disk.iterdir()] == ["f"]


def test_a_read_only_disk_is_told_of(module: Any, small_disk: Path) -> None:
    (small_disk / "f").write_text("a\n")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "mounted read-only" in module.fails("lineinfile", path=str(small_disk / "f"), line="b").message
    assert "mounted read-only" in module.fails("file", path=str(small_disk / "d"), state="directory").message
    assert "Read-only" in module.fails("file", path=str(small_disk / "f"), state="absent").message
    assert module("lineinfile", check=True, path=str(small_disk / "f"), line="b")["changed"]


def test_a_name_that_is_no_text(module: Any, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    assert module("copy", dest=path, content="x")["changed"]
    assert not module("copy", dest=path, content="x")["changed"]
    found = module("find", paths=str(tmp_path))["files"][0]["path"]
    assert found == path
    assert [os.fsencode(each.name) for each in tmp_path.iterdir()] == [b"\xff\xfe"]
    assert wire.encode({"result": found})
    assert module("file", path=path, state="absent")["changed"]


def test_access_lists_and_attributes_go_over_to_the_new_file(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("a\n")
    try:
        os.setxattr(path, "user.origin", b"here")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    if shutil.which("setfacl"):
        subprocess.run(["setfacl", "-m", "u:1234:rw", path], check=True)
    before = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    assert module("lineinfile", path=str(path), line="b")["changed"]
    assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == before


def test_a_huge_file_is_not_held_in_memory(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as stream:
        stream.truncate(300 << 20)
    assert "too large to be edited" in module.fails("lineinfile", path=str(path), line="b").message
    assert "larger than 16 MB" in module.fails("slurp", src=str(path)).message
    assert "Binary files" in module("copy", check=True, dest=str(path), content="x")["diff"]


def test_nobody_ever_sees_half_a_file_or_one_that_is_too_open(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    contents = [b"a" * 300_000, b"b" * 200_000]
    atomic.write(str(path), contents[0], Wanted({"mode": "0600"}))
    seen: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for each in tmp_path.iterdir():
                try:
                    status = each.stat()
                except FileNotFoundError:
                    continue
                if status.st_size and status.st_mode & 0o077:
                    seen.append(f"{each.name} can be read by others")
            if path.read_bytes() not in contents:
                seen.append("half a file")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for turn in range(200):
            atomic.write(str(path), contents[turn % 2], Wanted({"mode": "0600"}))
    finally:
        stop.set()
        watcher.join()
    assert not seen, seen[:3]


@pytest.mark.parametrize("path", sorted(AGENT.rglob("*.py")), ids=lambda path: path.stem)
def test_the_oldest_python_can_read_it(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


def _pythons() -> list[str]:
    """Interpreters of the versions that machines may have, as far as they are here."""
    found: dict[str, str] = {}
    for minor in range(9, 14):
        installed = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
        path = str(installed[-1]) if installed else shutil.which(f"python3.{minor}")
        if path:
            found[f"3.{minor}"] = path
    return list(found.values()) or [sys.executable]


@pytest.mark.parametrize("python", _pythons(), ids=lambda path: Path(path).parents[1].name)
def test_every_module_is_understood(python: str, tmp_path: Path) -> None:
    code = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        from kprov.provision.agent import modules
        from kprov.provision.agent.call import Call
        for name in modules.NAMES:
            modules.load(name)
        given = {"path": sys.argv[2], "line": "x", "create": True}
        assert modules.execute("lineinfile", Call(modules.arguments_of("lineinfile", given), diff=True))["changed"]
    """
    root = str(AGENT.parents[2])
    command = [python, "-I", "-S", "-B", "-c", code, root, str(tmp_path / "f")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f").read_text() == "x\n"


def test_a_diff_of_a_file_that_is_no_text_names_sizes() -> None:
    assert diffs.unified(b"\0", b"\0\0", "/f") == "Binary files /f (1 bytes) and /f (2 bytes) differ\n"
    assert "Binary files" in diffs.unified(b"", b"x\n" * 200_000, "/f")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be the superuser")
def test_a_task_of_another_user_has_that_users_rights(module: Any, tmp_path: Path) -> None:
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with identity.acting_as("nobody") as user:
        assert user == "nobody"
        assert "may not write" in module.fails("copy", dest=str(tmp_path / "theirs" / "f"), content="x").message
        module("copy", dest=str(tmp_path / "open" / "f"), content="x")
        assert processes.run(["id", "-un"], user=user).stdout == "nobody\n"
        assert processes.run(["id", "-un"]).stdout == "root\n"
    assert (tmp_path / "open" / "f").owner() == "nobody"
    assert os.geteuid() == 0
    with pytest.raises(ModuleFailed, match="no user 'nosuch'"), identity.acting_as("nosuch"):
        pass
