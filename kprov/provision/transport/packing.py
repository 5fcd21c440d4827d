"""What travels to a machine: the agent's files, stripped, compiled and compressed, each when it is first needed.

A machine starts the agent on every connection, so every millisecond of its start counts once for each host. And most
runs need few of the agent's modules: a new kprov's first run does not wait for the others.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import marshal
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Set
from pathlib import Path
from types import CodeType
from typing import Any

from kprov.provision import agent
from kprov.provision.transport import stripping
from kprov.provision.transport.packed_cache import PackedCache

_AGENT = "kprov.provision.agent"
_SESSION = f"{_AGENT}.session"
_MODULES = f"{_AGENT}.modules"
_STARTER = "memory_importer"

Entry = tuple[bool, bool, bytes]
"""A file: whether it is a package, whether it is compiled, its code."""

# No two may compile at once: Python before 3.12 counts the depth of syntax trees for all threads together, and fails
# where their numbers mix (github.com/python/cpython/issues/106905).
_one_at_a_time = threading.RLock()

_PARENTS: dict[str, Entry] = {"kprov": (True, False, b""), "kprov.provision": (True, False, b"")}


@functools.cache
def _files() -> dict[str, tuple[bool, Path]]:
    """The agent's files: by a module's name, whether it is a package, and its path."""
    root = Path(agent.__file__).parent
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = [_AGENT, *path.relative_to(root).with_suffix("").parts]
        package = parts[-1] == "__init__"
        found[".".join(parts[:-1] if package else parts)] = package, path
    return found


def _starter() -> str:
    """The code that starts the agent, as source."""
    _, path = _files()[f"{_AGENT}.{_STARTER}"]
    return ast.unparse(stripping.strip(path.read_text(), lazy=False).tree)


@functools.cache
def _names() -> Set[str]:
    """Every file of the agent but the one that starts it."""
    return _files().keys() - {f"{_AGENT}.{_STARTER}"}


def _packed_file(name: str, magic: bytes) -> tuple[Entry, list[str]]:
    """A file: compiled where the Python is the controller's own, else as source; and which others it imports.

    Compiling costs a small machine more than everything else in connecting.
    """
    package, path = _files()[name]
    file = stripping.strip(path.read_text())
    if magic == importlib.util.MAGIC_NUMBER:
        origin = "<kprov>/" + name.removeprefix(f"{_AGENT}.").replace(".", "/")
        code = marshal.dumps(_lean(compile(file.tree, origin, "exec", dont_inherit=True)))
        entry = (package, True, code)
    else:
        entry = (package, False, ast.unparse(file.tree).encode())
    return entry, sorted(file.imported & _names())


def _lean(code: CodeType) -> CodeType:
    """The code without the long names of its functions, which only debuggers read."""
    inner = tuple(_lean(value) if isinstance(value, CodeType) else value for value in code.co_consts)
    return code.replace(co_qualname=code.co_name, co_consts=inner)


class Packed:
    """The agent for one Python. What is asked of it is made, or read from the cache, when it is first asked for.

    Args:
        magic: the magic number of that Python.
    """

    def __init__(self, magic: bytes) -> None:
        self._magic = magic
        self._cache = PackedCache(_key(magic))
        self._files: dict[str, tuple[Entry, list[str]]] = {}
        self._needs: dict[str, frozenset[str]] = {}

    @functools.cached_property
    def _start(self) -> tuple[bytes, list[str]]:
        """What an agent starts with, compressed, and the names of the files in it."""
        with _one_at_a_time:
            start: tuple[bytes, list[str]] = self._kept("core", self._pack_start)
            return start

    def _pack_start(self) -> tuple[bytes, list[str]]:
        names = sorted(self._closure(_SESSION, []) | {_MODULES})
        files = {"": _starter(), **_PARENTS, **{name: self._file(name)[0] for name in names}}
        press = zlib.compressobj(9, memLevel=9)
        return press.compress(marshal.dumps(files, 2)) + press.flush(), names

    @property
    def core(self) -> bytes:
        """What it starts with, compressed, with the code that starts it."""
        return self._start[0]

    def needs(self, module: str) -> frozenset[str]:
        """Which files a task's module imports besides; none where there is no such module."""
        found = self._needs.get(module)
        if found is None:
            name = f"{_MODULES}.{module}"
            with _one_at_a_time:
                found = frozenset(self._closure(name, self._start[1]) if name in _names() else ())
            self._needs[module] = found
        return found

    def part(self, names: frozenset[str]) -> bytes:
        """Some of the files, compressed."""
        with _one_at_a_time:
            files = {name: self._file(name)[0] for name in sorted(names)}
        # Made in every run: more effort takes five times as long and saves a fiftieth.
        return zlib.compress(marshal.dumps(files, 2), 6)

    def _closure(self, name: str, known: Iterable[str]) -> set[str]:
        """A file and those that it imports, unless they are known, and so on."""
        done, waiting = set(known), [name]
        found = set[str]()
        while waiting:
            here = waiting.pop()
            if here not in done:
                done.add(here)
                found.add(here)
                waiting += self._file(here)[1]
        return found

    def _file(self, name: str) -> tuple[Entry, list[str]]:
        """A file, and which others it imports."""
        if name not in self._files:
            self._files[name] = self._kept(name, lambda: _packed_file(name, self._magic))
        return self._files[name]

    def _kept(self, name: str, make: Callable[[], Any]) -> Any:
        """What the cache has under a name, or else what is made now."""
        content = self._cache.read(name)
        if content is not None:
            return marshal.loads(content)  # noqa: S302 - written here; see PackedCache.read
        made = make()
        self._cache.write(name, marshal.dumps(made))
        return made


def whole(magic: bytes) -> bytes:
    """All of the agent at once, for a Python that was not expected; from the cache where nothing has changed since."""
    cache = PackedCache(_key(magic))
    content = cache.read("whole")
    if content is None:
        with _one_at_a_time:
            files = {"": _starter(), **_PARENTS, **{name: _packed_file(name, magic)[0] for name in sorted(_names())}}
        content = zlib.compress(marshal.dumps(files, 2), 9)
        cache.write("whole", content)
    return content


def _key(magic: bytes) -> str:
    """Changes with every file that matters, and with the Python that packs."""
    digest = hashlib.sha256(repr((sys.version, magic)).encode())
    for path in (Path(__file__), Path(stripping.__file__), *(path for _, path in _files().values())):
        status = path.stat()
        digest.update(repr((str(path), status.st_size, status.st_mtime_ns, status.st_ino)).encode())
    return digest.hexdigest()[:32]


@functools.cache
def release() -> str:
    """What changes with every change of the agent."""
    return _key(importlib.util.MAGIC_NUMBER)
