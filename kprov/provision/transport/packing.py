"""What travels to a machine: the agent's files, without what only people and type checkers read, packed once.

A machine starts the agent on every connection, so every millisecond of its start counts once for each host. Types,
annotations and docstrings stay here; modules of the standard library are imported there when they are first used.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import marshal
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from kprov.provision import agent

# Packed agents that are kept: one for each Python that machines have, and those of a kprov that was just replaced.
_KEPT = 8


def _files() -> Iterator[tuple[str, bool, Path]]:
    """The agent's files: module name, whether it is a package, path."""
    root = Path(agent.__file__).parent
    for path in sorted(root.rglob("*.py")):
        parts = ["kprov", "provision", "agent", *path.relative_to(root).with_suffix("").parts]
        package = parts[-1] == "__init__"
        yield ".".join(parts[:-1] if package else parts), package, path


_LOCATED = (ast.stmt, ast.expr, ast.arg, ast.keyword, ast.alias, ast.ExceptHandler)


class _Strip(ast.NodeTransformer):
    """Takes annotations and docstrings out, and what is known of columns: lines are enough for a message.

    Attributes:
        used: every name in the code that is left.
        imported: every module that is imported anywhere in it.
    """

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.imported: set[str] = set()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, _LOCATED):
            node.end_lineno, node.col_offset, node.end_col_offset = node.lineno, -1, -1
        return super().generic_visit(node)

    def _body(self, node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.copy_location(ast.Pass(), node.body[0])]

    def stripped(self, node: ast.Module) -> ast.Module:
        """The whole file."""
        self._body(node)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._body(node)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._body(node)
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        bare = ast.Pass() if node.value is None else ast.Assign(targets=[node.target], value=node.value)
        return self.generic_visit(ast.copy_location(bare, node))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.used.add(node.id)
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        self.imported.update(alias.name for alias in node.names)
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module:
            self.imported.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
        return self.generic_visit(node)


def _lazy(statement: ast.stmt) -> list[ast.stmt]:
    """`import x` as a name for what imports x when it is used; see memory_importer.Lazy."""
    if not isinstance(statement, ast.Import) or any(alias.asname for alias in statement.names):
        return [statement]
    lines = "\n".join(f"{alias.name.partition('.')[0]} = lazy({alias.name!r})" for alias in statement.names)
    return _Strip().stripped(ast.parse(lines)).body


@dataclass(frozen=True)
class Stripped:
    """A file without what only people and type checkers read.

    Args:
        tree: its code.
        imported: the modules that it imports, wherever in it that stands, and what could be modules.
    """

    tree: ast.Module
    imported: frozenset[str]


def strip(source: str, lazy: bool = True) -> Stripped:
    """Strip a file.

    Args:
        source: its text.
        lazy: modules that it imports whole are imported when they are first used.
    """
    tree = ast.parse(source)
    visitor = _Strip()
    visitor.stripped(tree)
    kept: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("kprov."):
            # Most of these are for annotations only, which are gone.
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in visitor.used]
            if not node.names:
                continue
            if node.module == "collections.abc":  # the same classes, without the rest of collections
                node.module = "_collections_abc"
        kept += _lazy(node) if lazy else [node]
    tree.body = kept
    return Stripped(tree, frozenset(visitor.imported))


Entry = tuple[bool, bool, bytes]
"""A file: whether it is a package, whether it is compiled, its code."""


@dataclass(frozen=True)
class Packed:
    """The agent for one Python.

    Args:
        core: what it starts with, compressed, with the code that starts it.
        entries: its other files.
        needs: by a task's module, which of those its code imports.
    """

    core: bytes
    entries: Mapping[str, Entry]
    needs: Mapping[str, frozenset[str]]

    def missing(self, module: str, known: Set[str]) -> frozenset[str]:
        """What an agent that knows some of the files lacks for a task."""
        return self.needs.get(module, frozenset()) - known

    def part(self, names: frozenset[str]) -> bytes:
        """Some of the files, compressed."""
        # Made in every run: more effort takes five times as long and saves a fiftieth.
        return zlib.compress(marshal.dumps({name: self.entries[name] for name in sorted(names)}, 2), 6)


def _starter() -> str:
    path = Path(agent.__file__).with_name("memory_importer.py")
    return ast.unparse(strip(path.read_text(), lazy=False).tree)


def _stripped() -> dict[str, tuple[bool, Stripped]]:
    """Every file of the agent but what starts it: whether it is a package, and its code."""
    return {
        name: (package, strip(path.read_text()))
        for name, package, path in _files()
        if not name.endswith(".memory_importer")
    }


def _entries(files: Mapping[str, tuple[bool, Stripped]], magic: bytes) -> dict[str, Entry]:
    """The files: compiled where the Python is the controller's own, else as source.

    Compiling costs a small machine more than everything else in connecting.
    """
    found: dict[str, Entry] = {"kprov": (True, False, b""), "kprov.provision": (True, False, b"")}
    for name, (package, file) in files.items():
        if magic == importlib.util.MAGIC_NUMBER:
            origin = "<kprov>/" + name.removeprefix("kprov.provision.agent.").replace(".", "/")
            found[name] = (package, True, marshal.dumps(_lean(compile(file.tree, origin, "exec", dont_inherit=True))))
        else:
            found[name] = (package, False, ast.unparse(file.tree).encode())
    return found


def _lean(code: CodeType) -> CodeType:
    """The code without the long names of its functions, which only debuggers read."""
    inner = tuple(_lean(value) if isinstance(value, CodeType) else value for value in code.co_consts)
    return code.replace(co_qualname=code.co_name, co_consts=inner)


def whole(magic: bytes) -> bytes:
    """All of the agent at once, for a Python that was not expected; from the cache where nothing has changed since."""
    path = _cache() / (_key(magic) + "-whole")
    content = _read(path)
    if content is None:
        content = zlib.compress(marshal.dumps({"": _starter(), **_entries(_stripped(), magic)}, 2), 9)
        _write(path, content)
    return content


def pack(magic: bytes) -> Packed:
    """The agent in parts: what it starts with, and what each kind of task needs besides."""
    files = _stripped()
    entries = _entries(files, magic)
    imports = {name: file.imported & files.keys() for name, (_, file) in files.items()}
    core = _closure(_SESSION, imports) | {"kprov", "kprov.provision", _MODULES.rpartition(".")[0]}
    start: dict[str, object] = {"": _starter(), **{name: entries[name] for name in sorted(core)}}
    rest = {name: entry for name, entry in entries.items() if name not in core}
    needs = {
        name.removeprefix(_MODULES + "."): frozenset(_closure(name, imports) - core)
        for name in entries
        if name.startswith(_MODULES + ".")
    }
    press = zlib.compressobj(9, memLevel=9)
    return Packed(press.compress(marshal.dumps(start, 2)) + press.flush(), rest, needs)


_SESSION = "kprov.provision.agent.session"
_MODULES = "kprov.provision.agent.modules"


def _closure(name: str, imports: Mapping[str, Set[str]]) -> set[str]:
    found, waiting = set[str](), [name]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += imports.get(here, ())
    return found


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "kprov" / "agent"


def _key(magic: bytes) -> str:
    """Changes with every file that matters, and with the Python that packs."""
    digest = hashlib.sha256(repr((sys.version, magic)).encode())
    for path in (Path(__file__), *(path for _, _, path in _files())):
        status = path.stat()
        digest.update(repr((str(path), status.st_size, status.st_mtime_ns, status.st_ino)).encode())
    return digest.hexdigest()[:32]


@functools.cache
def release() -> str:
    """What changes with every change of the agent."""
    return _key(importlib.util.MAGIC_NUMBER)


def _read(path: Path) -> bytes | None:
    """A packed agent that nobody but its owner could have written: machines run it as root."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_uid != os.getuid() or status.st_mode & 0o022:
                return None
            data = stream.read()
    except OSError:
        return None
    checksum, content = data[:32], data[32:]
    return content if hashlib.sha256(content).digest() == checksum else None


def _write(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError):  # a home that cannot be written to costs time, nothing else
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=".")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(hashlib.sha256(content).digest() + content)
        Path(partial).replace(path)
        others = sorted(path.parent.glob("[0-9a-f]*"), key=lambda other: other.stat().st_mtime, reverse=True)
        for old in others[_KEPT:]:
            old.unlink()


def cached(magic: bytes) -> Packed:
    """As `pack`, from the cache where nothing has changed since."""
    path = _cache() / _key(magic)
    content = _read(path)
    if content is None:
        packed = pack(magic)
        needs = {name: sorted(names) for name, names in packed.needs.items()}
        _write(path, marshal.dumps((packed.core, dict(packed.entries), needs)))
        return packed
    core, entries, needs = marshal.loads(content)  # noqa: S302 - by `_write`; see `_read`
    return Packed(core, entries, {name: frozenset(names) for name, names in needs.items()})
