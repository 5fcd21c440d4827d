"""Transactions of the proxy's table in nft's language: the whole of it, and what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kprov.kube.proxy.elements import Contribution, Elements
from kprov.kube.proxy.ruleset import CONTAINERS, TABLE, balancer

_TABLE = f"ip {TABLE}"
_BATCH = 2000  # elements in one command: keeps the parser's memory flat


@dataclass(slots=True)
class State:
    """What the table holds besides its static chains."""

    elements: Elements = field(default_factory=dict)
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    client_sets: dict[str, int] = field(default_factory=dict)


def merged(contributions: Iterable[Contribution]) -> State:
    """The state that all Services together ask for."""
    state = State()
    for share in contributions:
        state.elements.update(share.elements)
        state.chains.update(share.chains)
        state.client_sets.update(share.client_sets)
        for kind, count in share.balancers:
            name, rules = balancer(kind, count)
            state.chains[name] = rules
    return state


def _element_commands(verb: str, elements: Mapping[tuple[str, str], str]) -> list[str]:
    by_container: dict[str, list[str]] = {}
    for (container, key), value in elements.items():
        entry = f"{key} : {value}" if value and verb == "add" else key
        by_container.setdefault(container, []).append(entry)
    commands = []
    for container, entries in by_container.items():
        for start in range(0, len(entries), _BATCH):
            commands.append(f"{verb} element {_TABLE} {container} {{ {', '.join(entries[start : start + _BATCH])} }}")
    return commands


def _chain_commands(chains: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"add rule {_TABLE} {name} {rule}" for name, rules in chains.items() for rule in rules]


def _client_set(name: str, seconds: int) -> str:
    return f"add set {_TABLE} {name} {{ type ipv4_addr; flags dynamic, timeout; timeout {seconds}s; size 65536; }}"


def _removal(chains: Iterable[str], client_sets: Iterable[str]) -> list[str]:
    dead = list(chains)  # emptied first: they may jump to one another
    return [
        *(f"flush chain {_TABLE} {name}" for name in dead),
        *(f"delete chain {_TABLE} {name}" for name in dead),
        *(f"delete set {_TABLE} {name}" for name in client_sets),
    ]


def changes(
    gone: Elements, come: Elements, new: State, known_chains: Mapping[str, tuple[str, ...]], dead: State
) -> str:
    """Commands for what changed since the last transaction; "" when there is nothing to do.

    Arguments: elements that leave and that come; the chains and client sets that must be there; the chains that are
    there already, by name; the chains and client sets that nobody needs any more.
    """
    fresh = {name: rules for name, rules in new.chains.items() if known_chains.get(name) != rules}
    commands = [_client_set(name, seconds) for name, seconds in new.client_sets.items()]
    commands += [f"add chain {_TABLE} {name}" for name in fresh]
    commands += [f"flush chain {_TABLE} {name}" for name in fresh if name in known_chains]
    commands += _chain_commands(fresh)
    commands += _element_commands("delete", gone)
    commands += _element_commands("add", come)
    commands += _removal(dead.chains, dead.client_sets)
    return "\n".join(commands)


def whole(new: State, static: Mapping[str, tuple[str, ...]], existing_chains: set[str], existing_sets: set[str]) -> str:
    """Commands that make the table right whatever it held before, in one transaction.

    Arguments: the wanted state, the static chains, and the names of the chains and sets that are there (of this or an
    earlier release). Sets of clients with session affinity keep their members, and connections are the kernel's: a
    restart of the proxy costs neither.
    """
    commands = [f"add table {_TABLE}"]
    for name, (kind, typeof) in CONTAINERS.items():
        commands.append(f"add {kind} {_TABLE} {name} {{ typeof {typeof}; }}")
        commands.append(f"flush {kind} {_TABLE} {name}")
    commands += [_client_set(name, seconds) for name, seconds in new.client_sets.items()]
    for name, rules in static.items():
        hook = f" {{ {rules[0]} }}" if rules[0].startswith("type ") else ""
        commands.append(f"add chain {_TABLE} {name}{hook}")
    commands += [f"add chain {_TABLE} {name}" for name in new.chains]
    commands += [f"flush chain {_TABLE} {name}" for name in {*static, *new.chains, *existing_chains}]
    commands += _chain_commands(new.chains)
    commands += _chain_commands(
        {n: tuple(r for r in rules if not r.startswith("type ")) for n, rules in static.items()}
    )
    commands += _element_commands("add", new.elements)
    stale_sets = existing_sets - set(CONTAINERS) - set(new.client_sets)
    commands += _removal(sorted(existing_chains - set(static) - set(new.chains)), sorted(stale_sets))
    return "\n".join(commands)
