"""What a room imports is installed with it: what the controller needs, and what the daemons need."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = importlib.metadata.packages_distributions()

# aiohttp's own types, which it always brings.
BROUGHT = {"aiohttp": {"multidict", "yarl"}}


def names(requirements: list[str]) -> set[str]:
    found = {_plain(re.split(r"[=<>!~\[; ]", one)[0]) for one in requirements}
    return found | {brought for one in found for brought in BROUGHT.get(one, ())}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path: Path) -> Iterator[str]:
    """The packages of others that a file imports when it runs."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _packages(node)
        elif not isinstance(node, ast.expr):  # an import is a statement
            waiting += ast.iter_child_nodes(node)


def _packages(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom) and not node.level and node.module:
        modules = [node.module]
    for module in modules:
        package = module.partition(".")[0]
        if package not in sys.stdlib_module_names and package != "kprov":
            yield package


def extra_of(path: Path) -> set[str]:
    """What is installed where a file runs."""
    extras = PROJECT["optional-dependencies"]
    if path.is_relative_to(ROOT / "kprov/kube"):
        return names(extras["kube"])  # a machine has no controller
    asynchronous = path.match("provision/transport/async_ssh*.py")
    return names(PROJECT["dependencies"]) | (names(extras["asyncssh"]) if asynchronous else set())


@pytest.mark.parametrize("room", sorted(path.name for path in (ROOT / "kprov").iterdir() if path.is_dir()))
def test_what_is_imported_is_installed(room: str) -> None:
    missing = {
        f"{path.relative_to(ROOT)} imports {package}"
        for path in (ROOT / "kprov" / room).rglob("*.py")
        for package in imported(path)
        if not {_plain(name) for name in DISTRIBUTIONS.get(package, [package])} & extra_of(path)
    }
    assert not missing
