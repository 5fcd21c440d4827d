"""YAML as a tree of nodes that is known to be finite and of a bounded size.

Aliases make YAML a graph: a few lines can stand for billions of values, or for a value that contains itself. What the
file stands for is reckoned before anything is built from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from kprov.provision.documents.reading import Unreadable
from kprov.provision.vault.envelope import VaultError

DEEPEST = 64
LARGEST = 2_000_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(text: str) -> yaml.Node | None:
    """The one document of ``text`` as nodes; None when it is empty. Raises Unreadable with the line."""
    try:
        _check_depth(text)
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _explained(_in_better_words(text, error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise Unreadable(f"not valid YAML: {error.reason}", None, line) from None
    except yaml.YAMLError as error:
        raise Unreadable(f"not valid YAML: {error}") from None
    except RecursionError:
        raise Unreadable(f"is nested more than {DEEPEST} levels deep") from None
    if root is not None and "&" in text:
        check_size(root)
    elif root is not None:
        _check_levels(root)
    return root


def _check_depth(text: str) -> None:
    """Refuse what the parser, which calls itself for each level, could not leave again: it would end the process.

    A level of a block begins further to the right than the one around it (or in the same column, for a list in a
    mapping), and a level in brackets has a bracket. Only where that allows too many are the levels counted.
    """
    widest = max(map(len, text.splitlines()), default=0)
    if 2 * widest + text.count("[") + text.count("{") <= _SAFE_DEPTH:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise Unreadable(f"is nested more than {DEEPEST} levels deep", None, _line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


_SAFE_DEPTH = 1000


def _in_better_words(text: str, error: yaml.MarkedYAMLError) -> yaml.MarkedYAMLError:
    """The same mistake as the parser written in Python tells it; where that is too slow, as it was told."""
    if len(text) <= 1_000_000:
        try:
            yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as better:
            return better
        except (yaml.YAMLError, RecursionError):
            pass
    return error


def _explained(error: yaml.MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    if error.context_mark and "end of stream" in (error.problem or ""):
        mark = error.context_mark  # what was never closed is the mistake, not the end of the file
    reason = error.problem or error.context or "can't be parsed"
    hint = "indent with spaces" if "\\t" in reason or "'\t'" in reason else None
    return Unreadable(f"not valid YAML: {reason}", hint, mark.line + 1 if mark else None)


def _check_levels(root: yaml.Node) -> None:
    """Raises Unreadable where levels or values are too many, in a document without aliases."""
    level, size = [root], 1
    for _ in range(DEEPEST):
        level = [child for node in level if not isinstance(node, yaml.ScalarNode) for child in _children(node)]
        size += len(level)
        if size > LARGEST:
            raise Unreadable(f"holds more than {LARGEST} values", None, _line(level[0]))
        if not level:
            return
    raise Unreadable(f"is nested more than {DEEPEST} levels deep", None, _line(level[0]))


def check_size(root: yaml.Node) -> None:
    """Raises Unreadable where aliases stand for too much, or for themselves, or levels are too many."""
    sizes: dict[int, tuple[int, int]] = {}  # node -> (nodes, levels) that it stands for
    open_nodes: set[int] = set()
    waiting: list[tuple[yaml.Node, bool]] = [(root, False)]
    while waiting:
        node, children_done = waiting.pop()
        key = id(node)
        if children_done:
            open_nodes.discard(key)
            below = [sizes[id(child)] for child in _children(node)]
            size = 1 + sum(count for count, _ in below)
            levels = 1 + max((depth for _, depth in below), default=0)
            if size > LARGEST:
                raise Unreadable(f"stands for more than {LARGEST} values, through its aliases", None, _line(node))
            if levels > DEEPEST:
                raise Unreadable(f"is nested more than {DEEPEST} levels deep", None, _line(node))
            sizes[key] = (size, levels)
        elif key in open_nodes:
            raise Unreadable("a value contains itself, through an alias", None, _line(node))
        elif key not in sizes:
            if isinstance(node, yaml.ScalarNode):
                sizes[key] = (1, 1)
                continue
            open_nodes.add(key)
            waiting.append((node, True))
            waiting.extend((child, False) for child in _children(node))


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _line(node: Any) -> int:
    """The line of a node or an event."""
    return int(node.start_mark.line) + 1


class Unsafe(str):
    """A text that is no template, whatever it holds; Ansible's tag ``!unsafe``."""

    __slots__ = ()


UNSAFE_TAG = "!unsafe"
VAULT_TAGS = ("!vault", "!vault-encrypted")


def construct(
    node: yaml.Node, open_vault: Callable[[str], str] | None = None, kind: type[Constructor] | None = None
) -> Any:
    """The plain Python value of a node that ``compose`` gave.

    Args:
        open_vault: gives the text of a ``!vault`` value; it may raise VaultError or Unreadable.
        kind: what builds the values, where plain ones are not wanted.

    Raises Unreadable with the line.
    """
    constructor = (kind or Constructor)(open_vault)
    try:
        return constructor.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise Unreadable(f"can't be read: {error.problem}", None, mark.line + 1 if mark else _line(node)) from None
    except Unreadable as error:
        raise Unreadable(error.reason, error.suggestion, error.line or _line(node)) from None
    except RecursionError:
        raise Unreadable(f"is nested more than {DEEPEST} levels deep", None, _line(node)) from None


class Constructor(yaml.constructor.SafeConstructor):
    """Plain values, with Ansible's tags. A constructor remembers half-built nodes: each value gets a fresh one."""

    def __init__(self, open_vault: Callable[[str], str] | None) -> None:
        super().__init__()
        self.open_vault = open_vault

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As PyYAML does, but with an error of its own for a scalar that is not of the type that it looks like."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
            kind = str(node.tag).rpartition(":")[2]
            shown = str(node.value) if isinstance(node, yaml.ScalarNode) else "this"
            shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
            hint = "write it in quotes if it is text" if isinstance(node, yaml.ScalarNode) else None
            raise Unreadable(f"can't be read: {shown} is no valid {kind}", hint, _line(node)) from None

    def construct_vault(self, node: yaml.Node) -> str:
        text = self.construct_scalar(node)  # type: ignore[arg-type]
        if self.open_vault is None:
            raise Unreadable("a vault value can't stand here", None, _line(node))
        try:
            return self.open_vault(str(text))
        except (Unreadable, VaultError) as error:
            raise Unreadable(error.reason, error.suggestion, _line(node)) from None


def _construct_unsafe(constructor: Any, node: Any) -> Unsafe:
    return Unsafe(constructor.construct_scalar(node))


def _construct_vault(constructor: Any, node: Any) -> str:
    return str(constructor.construct_vault(node))


Constructor.add_constructor(UNSAFE_TAG, _construct_unsafe)
for _tag in VAULT_TAGS:
    Constructor.add_constructor(_tag, _construct_vault)
