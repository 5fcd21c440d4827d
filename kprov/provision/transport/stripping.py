"""The agent's files without what only people and type checkers read: types, annotations, docstrings, columns.

Modules of the standard library are imported on the machine when they are first used.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

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
