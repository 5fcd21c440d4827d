"""Holds the house's floors: a room imports only what lies below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# room -> the rooms that it may import, besides itself
ALLOWED: dict[str, set[str]] = {
    "provision.atomic": set(),  # how the controller writes files
    "provision.programs": set(),  # how the controller runs a program that its user named
    "provision.agent": set(),
    "provision.transport": {"provision.agent", "provision.atomic"},
    "provision.vault": {"provision.atomic", "provision.programs"},
    "provision.documents": {"provision.vault"},
    "provision.inventory": {"provision.documents", "provision.programs", "provision.vault"},
    "provision.pki": {"provision.atomic"},
    "provision.bundle": {"debian", "provision.atomic"},
    "provision.engine": {
        "provision.atomic",
        "provision.programs",
        "provision.transport",
        "provision.agent",
        "provision.inventory",
        "provision.documents",
        "provision.vault",
    },
    "provision.playbook": {
        "provision.engine",
        "provision.agent",
        "provision.inventory",
        "provision.documents",
        "provision.vault",
    },
    "provision.kubeapi": set(),
    "provision.verify": {
        "provision.documents",
        "provision.programs",
        "provision.kubeapi",
        "provision.transport",
        "provision.agent",
        "provision.engine",
        "provision.inventory",
        "provision.pki",
    },
    "provision.cluster": {
        "provision.atomic",
        "provision.documents",
        "provision.kubeapi",
        "provision.transport",
        "provision.agent",
        "provision.engine",
        "provision.inventory",
        "provision.pki",
        "provision.bundle",
        "provision.verify",
    },
    "kube.api": set(),
    "kube.apiserver": {"kube.api"},
    "kube.scheduler": {"kube.api"},
    "kube.controllers": {"kube.api"},
    "kube.kubelet": {"kube.api"},
    "kube.proxy": {"kube.api"},
    "kube.dns": {"kube.api"},
    "kube.network": {"kube.api"},
    "kube.node": {"kube.api", "kube.dns", "kube.network"},  # the composition root of the daemon kprov-node
    "lab": {"debian"},
    "debian": set(),  # releases and mirrors, for the lab's machines and the bundle alike
}


def room_of(module: str) -> str | None:
    """The room that a dotted module name lies in, or None for the package itself."""
    parts = module.split(".")
    if parts[0] != "kprov" or len(parts) < 2 or parts[1] == "__version__":
        return None
    if parts[1] in {"provision", "kube"}:
        return ".".join(parts[1:3]) if len(parts) > 2 else None
    return parts[1]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every kprov module that a file imports, at any depth of its code, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute in this house"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    folder = ROOT / "kprov" / room.replace(".", "/")
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        if "_pb2" in path.name:
            continue
        for line, module in imports(path):
            target = room_of(module)
            if target and target != room and target not in ALLOWED[room]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_every_room_has_a_floor() -> None:
    rooms = {f"kube.{p.name}" for p in (ROOT / "kprov/kube").iterdir() if (p / "__init__.py").exists()}
    rooms |= {f"provision.{p.name}" for p in (ROOT / "kprov/provision").iterdir() if (p / "__init__.py").exists()}
    assert rooms <= set(ALLOWED)


def test_the_agent_needs_only_the_standard_library() -> None:
    import sys

    for path in (ROOT / "kprov/provision/agent").rglob("*.py"):
        for line, module in imports(path):
            top = module.split(".")[0]
            assert top in sys.stdlib_module_names or top == "kprov", f"{path}:{line} imports {module}"
