"""What travels to a machine: the agent, small, quick to start, packed once."""

from __future__ import annotations

import ast
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
    assert ast.unparse(packing.strip(source)) == (
        "os = lazy('os')\nplatform = lazy('platform')\nfrom _collections_abc import Mapping\nNamed = Mapping\n\n"
        "class Box:\n    pass\n    full = False\n\ndef weigh(boxes, *, at=1):\n    total = 0\n    return {}"
    )


def test_only_the_controllers_own_python_gets_bytecode() -> None:
    own = marshal.loads(zlib.decompress(packing.pack(MAGIC)))
    foreign = marshal.loads(zlib.decompress(packing.pack(b"\0\0\r\n")))
    assert own.keys() == foreign.keys()
    name = "kprov.provision.agent.session"
    assert own[name][1] is True and foreign[name][1] is False
    ast.parse(foreign[name][2], feature_version=(3, 9))


def test_packed_once_and_again_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = packing.cached(MAGIC)
    monkeypatch.setattr(packing, "pack", lambda magic: b"packed anew")
    assert packing.cached(MAGIC) == first
    (cached,) = (tmp_path / "kprov" / "agent").glob("[0-9a-f]*")

    cached.chmod(0o666)
    assert packing.cached(MAGIC) == b"packed anew", "others could have written it"

    cached.write_bytes(cached.read_bytes()[:-1])
    assert packing.cached(MAGIC) == b"packed anew", "it is damaged"

    monkeypatch.setattr(packing, "_key", lambda magic: "0" * 32)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no")
    assert packing.cached(MAGIC) == b"packed anew", "no cache can be written"


def test_the_agents_start_imports_little() -> None:
    """Loads the agent as a machine does, and looks at what that brought in."""
    program = (
        "import sys,zlib,marshal;a=marshal.loads(zlib.decompress(sys.stdin.buffer.read()));g={};exec(a.pop(''),g);"
        "before=set(sys.modules);import builtins;"
        "builtins.lazy=g['lazy'];sys.meta_path.insert(0,g['MemoryImporter'](a));"
        "import kprov.provision.agent.session,kprov.provision.agent.modules.copy,kprov.provision.agent.modules.file;"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules)-before}))"
    )
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(
        command, input=packing.pack(MAGIC), capture_output=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    brought = set(done.stdout.decode().split()) - {"kprov"}
    assert brought <= CHEAP_AT_START, sorted(brought - CHEAP_AT_START)
