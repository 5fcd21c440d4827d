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

import pytest

from kprov.provision.transport import packing

MAGIC = importlib.util.MAGIC_NUMBER


@functools.cache
def own() -> packing.Packed:
    """The agent for this Python; packing takes a second."""
    return packing.pack(MAGIC)


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
    assert ast.unparse(packing.strip(source).tree) == (
        "os = lazy('os')\nplatform = lazy('platform')\nfrom _collections_abc import Mapping\nNamed = Mapping\n\n"
        "class Box:\n    pass\n    full = False\n\ndef weigh(boxes, *, at=1):\n    total = 0\n    return {}"
    )


def test_only_the_controllers_own_python_gets_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    entries = own().entries
    foreign = marshal.loads(zlib.decompress(packing.whole(b"\0\0\r\n")))
    assert entries.keys() < foreign.keys()
    name = "kprov.provision.agent.modules.copy"
    assert entries[name][1] is True and foreign[name][1] is False
    ast.parse(foreign[name][2], feature_version=(3, 9))

    packed = packing.whole(b"\0\0\r\n")
    monkeypatch.setattr(packing, "_entries", lambda files, magic: {})
    assert packing.whole(b"\0\0\r\n") == packed, "a later run with such a machine has it from the cache"
    (cached,) = (tmp_path / "kprov" / "agent").glob("[0-9a-f]*-whole")
    cached.chmod(0o666)
    assert packing.whole(b"\0\0\r\n") != packed, "others could have written it"


def test_packed_once_and_again_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = packing.cached(MAGIC)
    anew = packing.Packed(b"core", {"a": (False, False, b"")}, {"b": frozenset({"a"})})
    monkeypatch.setattr(packing, "pack", lambda magic: anew)
    assert packing.cached(MAGIC) == first
    (cached,) = (tmp_path / "kprov" / "agent").glob("[0-9a-f]*")

    cached.chmod(0o666)
    assert packing.cached(MAGIC) == anew, "others could have written it"

    cached.write_bytes(cached.read_bytes()[:-1])
    assert packing.cached(MAGIC) == anew, "it is damaged"

    monkeypatch.setattr(packing, "_key", lambda magic: "0" * 32)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no")
    assert packing.cached(MAGIC) == anew, "no cache can be written"


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
        for name, needs in packed.needs.items():
            (folder / name).write_bytes(packed.part(needs))
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
    names = frozenset().union(*(packed.needs[name] for name in ("command", "stat", "file")))
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
    brought = {module: brought_by(module, tmp_path) - light for module in own().needs}
    assert {module: names for module, names in brought.items() if names} == {"setup": {"_ctypes", "ctypes"}}


def test_what_an_agent_has_does_not_travel_again() -> None:
    packed = own()
    first = packed.missing("copy", set())
    assert "kprov.provision.agent.modules.copy" in first
    assert not packed.missing("copy", first)
    assert packed.missing("lineinfile", first) < packed.missing("lineinfile", set())
    assert not packed.missing("no such module", set())
    assert len(packed.core) < 36_500, "what every connection carries has grown: import it where it is used"
