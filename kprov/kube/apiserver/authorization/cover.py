"""Whether some rules grant everything that others grant: what keeps a user from giving away more than they have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kprov.kube.apiserver.authorization.rules import url_matches

Rule = dict[str, Any]


def _atoms(rule: Rule) -> Iterator[Rule]:
    """A rule as single grants: one verb on one resource of one group (of one name), or on one path."""
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield {"verbs": [verb], "nonResourceURLs": [url]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                atom = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                names = rule.get("resourceNames") or ()
                if not names:
                    yield atom
                for name in names:
                    yield {**atom, "resourceNames": [name]}


def _covers(held: Rule, atom: Rule) -> bool:
    verbs = held.get("verbs") or ()
    if "*" not in verbs and atom["verbs"][0] not in verbs:
        return False
    if "nonResourceURLs" in atom:
        return any(url_matches(pattern, atom["nonResourceURLs"][0]) for pattern in held.get("nonResourceURLs") or ())
    groups, names = held.get("apiGroups") or (), held.get("resourceNames") or ()
    if "*" not in groups and atom["apiGroups"][0] not in groups:
        return False
    if names and not ("resourceNames" in atom and atom["resourceNames"][0] in names):
        return False
    resources, wanted = held.get("resources") or (), atom["resources"][0]
    subresource = wanted.partition("/")[2]
    return "*" in resources or wanted in resources or bool(subresource and f"*/{subresource}" in resources)


def uncovered(held: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What ``wanted`` grants and ``held`` does not, verbs on the same resource put together."""
    holding = list(held)
    missing = [atom for rule in wanted for atom in _atoms(rule) if not any(_covers(each, atom) for each in holding)]
    return _compacted(missing)


def _compacted(atoms: list[Rule]) -> list[Rule]:
    merged: dict[str, Rule] = {}
    for atom in atoms:
        key = json.dumps({name: value for name, value in atom.items() if name != "verbs"}, sort_keys=True)
        if key not in merged:
            merged[key] = {**atom, "verbs": list(atom["verbs"])}
        elif atom["verbs"][0] not in merged[key]["verbs"]:
            merged[key]["verbs"] += atom["verbs"]
    return list(merged.values())


def describe(rule: Rule) -> str:
    """A rule on one line, as upstream prints it in refusals."""
    parts = []
    for title, field in (
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("ResourceNames", "resourceNames"),
        ("Verbs", "verbs"),
    ):
        if rule.get(field):
            words = " ".join(json.dumps(word) for word in rule[field])
            parts.append(f"{title}:[{words}]")
    return "{" + ", ".join(parts) + "}"
