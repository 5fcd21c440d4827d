"""YAML from clients, who may mean no good: what nests without end or multiplies itself is refused before it is built.

The C loader descends by recursion, so that fifty kilobytes of brackets end the process; and a few lines of aliases of
aliases are a small value that takes for ever to walk. Both are found in the stream of events, which neither descends
nor expands.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

DEEPEST = 200
_ALWAYS_ALLOWED = 10_000  # nodes, however they come about


class UnfitYAML(ValueError):
    """The text is no YAML, or of a kind that is not taken."""


def load(body: bytes) -> Any:
    """The value of a document.

    Raises:
        UnfitYAML: what is wrong with it.
    """
    try:
        return orjson.loads(body)  # what clients call YAML is most often JSON
    except orjson.JSONDecodeError:
        pass
    import yaml  # rare

    loader = _loader()
    try:
        _check(yaml.parse(body, Loader=loader), len(body))
        # As JSON has it: keys are strings, nothing is shared, and what JSON has not is an error.
        value = yaml.load(body, Loader=loader)  # noqa: S506  # a safe one
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except (yaml.YAMLError, orjson.JSONEncodeError, RecursionError) as error:
        raise UnfitYAML(str(error)) from None


@cache
def _loader() -> Any:
    """A safe loader to which times are texts, as they are in JSON."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        letter: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for letter, known in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})


def _check(events: Any, size: int) -> None:
    """Count how deep it is, and how many nodes it has once aliases stand for what they name."""
    most = max(_ALWAYS_ALLOWED, size)
    known: dict[str, int] = {}  # anchor -> nodes
    open_: list[tuple[str | None, int]] = []  # anchor, and the nodes before it
    nodes = 0
    for event in events:
        kind = type(event).__name__
        if kind in ("SequenceStartEvent", "MappingStartEvent"):
            open_.append((event.anchor, nodes))
            nodes += 1
            if len(open_) > DEEPEST:
                raise UnfitYAML(f"it is nested more than {DEEPEST} levels deep")
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            anchor, before = open_.pop()
            if anchor:
                known[anchor] = nodes - before
        elif kind == "ScalarEvent":
            nodes += 1
            if event.anchor:
                known[event.anchor] = 1
        elif kind == "AliasEvent":
            if event.anchor not in known:
                raise UnfitYAML(f"*{event.anchor} names no value that is complete")
            nodes += known[event.anchor]
        if nodes > most:
            raise UnfitYAML("document contains excessive aliasing")
