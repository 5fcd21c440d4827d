"""Tells a variable that kprov knows, one that the user made up, and one that was mistyped."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from kprov.provision.inventory.groups import ALL, Tree, Variables
from kprov.provision.inventory.host_variables import ALIASES, HOST_VARIABLES
from kprov.provision.inventory.problems import Location, ProblemLog, did_you_mean, edit_distance, nearest
from kprov.provision.inventory.settings import CLUSTER_SETTINGS, is_cluster_wide

KNOWN = frozenset(CLUSTER_SETTINGS) | frozenset(HOST_VARIABLES) | frozenset(ALIASES)


def check_names(tree: Tree, log: ProblemLog, also_known: Collection[str] = ()) -> None:
    """Report unknown and misplaced variables of the whole tree.

    Args: ``also_known`` are names that are right besides kprov's own, such as those that roles give defaults for.
    """
    for group in tree.groups.values():
        where = "all.vars" if group.name == ALL else f"vars of group {group.name}"
        for variables in group.every_place():
            _check_group(variables, where, group.name == ALL, log, also_known)
    # A range of hosts shares one mapping: it is looked at once.
    seen: set[int] = set()
    for host, places in tree.host_variables.items():
        for _, variables in places:
            if id(variables) not in seen:
                seen.add(id(variables))
                _check_group(variables, f"host {host}", False, log, also_known)


def _check_group(variables: Variables, where: str, for_all: bool, log: ProblemLog, also_known: Collection[str]) -> None:
    for name, (_, location, _) in variables.items():
        check_name(name, location, where, log, also_known)
        if not for_all and is_cluster_wide(name):
            log.add(
                location,
                f"{name} holds for the whole cluster and can't be set in {where}",
                f"move {name} below `all:` `vars:`",
            )


def check_name(name: str, location: Location, where: str, log: ProblemLog, also_known: Collection[str] = ()) -> None:
    """Report ``name`` if it is a known one mistyped, or one of a family of which all are known."""
    if name in KNOWN or name in also_known:
        return
    if name.startswith(("ansible_", "kprov_")):
        family = [known for known in KNOWN if known.startswith(name.partition("_")[0] + "_")]
        close = nearest(name, family, cutoff=0.75)
        hint = f"did you mean {close}?" if close else "kprov knows no such variable; take it out"
        log.add(location, f"unknown variable {name} in {where}", hint)
        return
    known = _meant(name)
    if known:
        log.add(location, f"unknown variable {name} in {where}", f"did you mean {known}?")
        return
    if not name.isidentifier():
        fixed = "".join(letter if letter.isalnum() else "_" for letter in name)
        log.add(
            location,
            f"variable name {name!r} in {where} can't be used in templates",
            f"write it as {fixed}" if fixed.isidentifier() else did_you_mean(name, KNOWN),
        )


@lru_cache(maxsize=10_000)
def _meant(name: str) -> str | None:
    """The known name that ``name`` nearly is. Five hundred machines have the same few variables: asked once each."""
    plain = name.lower().replace("-", "_")
    for known in sorted(KNOWN):
        allowed = 2 if len(known) >= 8 else 1
        if abs(len(known) - len(plain)) <= allowed and edit_distance(plain, known) <= allowed:
            return known
    return None
