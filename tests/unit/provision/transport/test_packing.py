"""What travels to a machine: the agent, small, quick to start, packed once."""

from __future__ import annotations

import ast
import functools
import importlib.util
import marshal
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.agent import modules
from kprov.provision.transport import bootstrap, packing, stripping
from kprov.provision.transport.packed_cache import PackedCache

MAGIC = importlib.util.MAGIC_NUMBER
FOREIGN = b"\0\0\r\n"
MODULES = sorted(path.stem for path in Path(modules.__file__).parent.glob("*.py") if path.stem != "__init__")


@functools.cache
def own() -> packing.Packed:
    """The agent for this Python; packing takes a second."""
    return packing.Packed(MAGIC)


# What the agent's start may import on a machine, besides what Python itself has loaded by then. Each name more is paid
# by every host of every run.
CHEAP_AT_START = {
    *("_json", "_queue", "_struct", "_thread", "_weakrefset", "fcntl", "grp", "pwd", "select", "struct", "zlib"),
    *("os", "posixpath", "genericpath", "stat", "_stat", "_collections_abc", "_sha256", "_sha2", "binascii", "errno"),
}


def test_people_and_type_checkers_keep_theirs() -> None:
    source = '''"""Docs."""
from __future__ import annotations
import os, platform
from typing import Any, BinaryIO
from collections.abc import Iterable, Mapping

Named = Mapping

class Box:
    """Docs."""
    size: int
    full: bool = False

def weigh(boxes: Iterable[Box], *, at: int = 1) -> dict[str, Any]:
    """Docs."""
    total: int = 0
    return {}
'''
    assert ast.unparse(stripping.strip(source).tree) == (
        "os = lazy('os')\nplatform = lazy('platform')\nfrom _collections_abc import Mapping\nNamed = Mapping\n\n"
        "class Box:\n    pass\n    full = False\n\ndef weigh(boxes, *, at=1):\n    total = 0\n    return {}"
    )


def files_of(packed: bytes) -> dict[str, Any]:
    """What travels, by name."""
    found: dict[str, Any] = marshal.loads(zlib.decompress(packed))
    return found


def test_only_the_controllers_own_python_gets_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = "kprov.provision.agent.modules.copy"
    ours, foreign = files_of(own().part(frozenset({name}))), files_of(packing.whole(FOREIGN))
    assert ours[name][1] is True and foreign[name][1] is False
    assert {*files_of(own().core), *(f"kprov.provision.agent.modules.{one}" for one in MODULES)} <= set(foreign)
    ast.parse(foreign[name][2], feature_version=(3, 9))


def kept_in(folder: Path) -> dict[str, Path]:
    """What the cache holds, by name."""
    return {path.name: path for path in (folder / "kprov" / "agent").glob("*/*")}


def nothing_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, packing a file fails."""

    def fail(source: str, lazy: bool = True) -> stripping.Stripped:
        raise AssertionError("packed again")

    monkeypatch.setattr(stripping, "strip", fail)


def test_packed_once_and_as_far_as_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = packing.Packed(MAGIC)
    needs = first.needs("file")
    assert kept_in(tmp_path).keys() == {"core", *first._start[1], *needs}, "nothing that nobody asked for"
    parts = first.part(needs)
    foreign = packing.whole(FOREIGN)

    with monkeypatch.context() as patch:
        nothing_made(patch)
        again = packing.Packed(MAGIC)
        assert (again.core, again.needs("file"), again.part(needs)) == (first.core, needs, parts)
        assert packing.whole(FOREIGN) == foreign
        with pytest.raises(AssertionError, match="packed again"):
            again.needs("copy")

    monkeypatch.setattr(packing, "_key", lambda magic: "0" * 32)
    with monkeypatch.context() as patch:
        nothing_made(patch)
        with pytest.raises(AssertionError, match="packed again"):
            print(packing.Packed(MAGIC).core)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no")
    assert packing.Packed(MAGIC).core == first.core, "no cache can be written"


@pytest.mark.parametrize("harm", ["others could write the file", "others could write the folder", "cut off", "changed"])
def test_what_cannot_be_trusted_is_packed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    packed = packing.Packed(MAGIC)
    wanted = packed.core
    core = kept_in(tmp_path)["core"]
    before = core.read_bytes()
    if harm == "others could write the file":
        core.chmod(0o666)
    elif harm == "others could write the folder":
        core.parent.chmod(0o777)
    else:
        core.write_bytes(before[:-1] if harm == "cut off" else before[:-1] + bytes([before[-1] ^ 1]))
    made: list[str] = []
    monkeypatch.setattr(packing, "_starter", lambda: made.append("starter") or "")
    assert packing.Packed(MAGIC).core != wanted and made, "the starter is another one, and not from the cache"


def test_agents_of_kprovs_long_gone_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    agents = tmp_path / "kprov" / "agent"
    agents.mkdir(parents=True)
    (agents / "left by an older kprov").write_bytes(b"")
    os.utime(agents / "left by an older kprov", (1, 1))
    for number in range(12):
        cache = PackedCache(f"{number:032}")
        cache.write("core", b"something")
        os.utime(agents / f"{number:032}", (number + 2, number + 2))
    assert {path.name for path in agents.iterdir()} == {f"{number:032}" for number in range(4, 12)}


START = (
    "import sys,zlib,marshal;from pathlib import Path;core,part,what=sys.argv[1:];"
    "a=marshal.loads(zlib.decompress(Path(core).read_bytes()));g={};exec(a.pop(''),g);import builtins;"
    "before=set(sys.modules);builtins.lazy=g['lazy'];finder=g['MemoryImporter'](a);sys.meta_path.insert(0,finder);"
    "import kprov.provision.agent.session;finder.learn(*(__import__('_frozen_importlib_external')"
    ".MAGIC_NUMBER.hex(),Path(part).read_bytes()));__import__('kprov.provision.agent.modules.'+what);"
    "print(*sorted({n.partition('.')[0] for n in set(sys.modules)-before}))"
)


def brought_by(module: str, folder: Path) -> set[str]:
    """Load the agent and a task's code as a machine does, and see what that brings in."""
    packed = own() if not (folder / "core").exists() else None
    if packed is not None:
        (folder / "core").write_bytes(packed.core)
        for name in MODULES:
            (folder / name).write_bytes(packed.part(packed.needs(name)))
    command = [sys.executable, "-I", "-S", "-c", START, str(folder / "core"), str(folder / module), module]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, f"{module}: {done.stderr}"
    return set(done.stdout.split()) - {"kprov"}


def test_the_agents_start_imports_little(tmp_path: Path) -> None:
    for module in ("copy", "file"):
        brought = brought_by(module, tmp_path)
        assert brought <= CHEAP_AT_START, sorted(brought - CHEAP_AT_START)


TASKS = (
    ";from kprov.provision.agent import modules;from kprov.provision.agent.call import Call\n"
    "for n,a in (('command',{'cmd':'true'}),('stat',{'path':'/etc/passwd'}),('file',{'path':'/etc'})):"
    "\n r=modules.execute(n,Call(modules.arguments_of(n,a)));assert not r.get('failed'),r\n"
    "print(*sorted({n.partition('.')[0] for n in set(sys.modules)-before}))"
)


def test_what_most_tasks_do_imports_little(tmp_path: Path) -> None:
    """A program, a file's digest: each has a way that needs neither subprocess nor OpenSSL."""
    packed = own()
    (tmp_path / "core").write_bytes(packed.core)
    names = frozenset().union(*(packed.needs(name) for name in ("command", "stat", "file")))
    (tmp_path / "part").write_bytes(packed.part(names))
    program = START.rpartition(";print(")[0] + TASKS
    command = [sys.executable, "-I", "-S", "-c", program, str(tmp_path / "core"), str(tmp_path / "part"), "command"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    brought = set(done.stdout.split()) - {"kprov"}
    assert brought <= CHEAP_AT_START | {"_sha1"}, sorted(brought - CHEAP_AT_START)


def test_every_module_travels_with_what_it_imports(tmp_path: Path) -> None:
    """What a function imports is not seen by this, but followed by the packing all the same.

    And none brings what costs as much as Python's own start, as HTTP, mail and archives do.
    """
    light = CHEAP_AT_START | {"_typing", "collections", "contextlib", "typing"}
    brought = {module: brought_by(module, tmp_path) - light for module in MODULES}
    assert {module: names for module, names in brought.items() if names} == {"setup": {"_ctypes", "ctypes"}}


def test_what_an_agent_has_does_not_travel_again() -> None:
    packed = own()
    first = bootstrap.missing("copy", set())
    assert "kprov.provision.agent.modules.copy" in first
    assert not bootstrap.missing("copy", first)
    assert bootstrap.missing("lineinfile", first) < bootstrap.missing("lineinfile", set())
    assert not bootstrap.missing("no such module", set())
    assert len(packed.core) < 36_500, "what every connection carries has grown: import it where it is used"
