"""Ansible's host patterns: ``control_plane:&zone_a:!cp2``, ``cp[1:2]``, ``node*,etcd``, ``node[0]``, ``~regex``.

``@FILE`` stands for the patterns in a file, one a line, as ``--limit`` of Ansible reads its retry files.
"""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kprov.provision.inventory import ranges
from kprov.provision.inventory.problems import did_you_mean

_SUBSCRIPT = re.compile(r"^(?P<name>.+)\[(?P<index>-?\d+|(?P<first>-?\d*)[:-](?P<last>-?\d*))\]$")


# What opens a bracket within which commas and colons do not separate: [1:3] everywhere, {1,2} and (?:a) in a ~regex.
_BRACKETS = {"[": "]"}
_REGEX_BRACKETS = {**_BRACKETS, "(": ")", "{": "}"}


def match(
    pattern: str,
    hosts: Sequence[str],
    members: Mapping[str, Sequence[str]],
    *,
    read_file: Callable[[str], str] | None = None,
) -> set[str]:
    """The names of the hosts that ``pattern`` stands for.

    Args: ``hosts`` is every host in order; ``members`` is group -> hosts; ``read_file`` gives the text of the FILE in
    ``@FILE``; None: there are no files here.
    Raises ValueError when a part names nothing, since a typo must not turn into "no hosts, nothing to do".
    Source: Ansible's "Patterns: targeting hosts and groups": unions first, then intersections, then exclusions.
    """
    if pattern in hosts:  # an IPv6 address has colons
        return {pattern}
    parts = _split(pattern)
    if read_file is not None:
        parts = [line for part in parts for line in _lines(part, read_file)]
    if not parts:
        raise ValueError("the host pattern is empty")
    wanted = [part for part in parts if part[0] not in "&!"]
    chosen: set[str] = set() if wanted else set(hosts)
    for part in wanted:
        chosen |= _one(part, hosts, members)
    for part in parts:
        if part.startswith("&"):
            chosen &= _one(part[1:], hosts, members)
    for part in parts:
        if part.startswith("!"):
            chosen -= _one(part[1:], hosts, members)
    return chosen


def in_order(pattern: str, hosts: Sequence[str], members: Mapping[str, Sequence[str]]) -> list[str]:
    """The hosts that ``pattern`` stands for in the order in which it names them, those of a group in the inventory's.

    Raises ValueError as ``match`` does. Source: ansible-core's InventoryManager.get_hosts.
    """
    chosen = match(pattern, hosts, members)
    wanted = [] if pattern in hosts else [part for part in _split(pattern) if part[0] not in "&!"]
    found: dict[str, None] = {}
    for named in [*(_one(part, hosts, members) for part in wanted), chosen]:
        found.update((name, None) for name in hosts if name in named and name in chosen)
    return list(found)


def read_retry_file(name: str) -> str:
    """The text of a file of host names or patterns, one a line. Raises ValueError when it can't be read."""
    try:
        return Path(name).expanduser().read_text()
    except OSError as error:
        raise ValueError(f"@{name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"@{name} is no text file") from None


def _lines(part: str, read_file: Callable[[str], str]) -> list[str]:
    if not part.startswith("@"):
        return [part]
    lines = [line.strip() for line in read_file(part[1:]).splitlines()]
    found = [piece for line in lines if line and not line.startswith("#") for piece in _split(line)]
    if not found:
        raise ValueError(f"{part} names no machine")
    return found


def _split(pattern: str) -> list[str]:
    """Split at commas and colons that are not within brackets."""
    pieces: list[str] = [""]
    closers: list[str] = []
    for mark in pattern:
        brackets = _REGEX_BRACKETS if pieces[-1].lstrip().lstrip("&!").startswith("~") else _BRACKETS
        if closers and mark == closers[-1]:
            closers.pop()
        elif mark in brackets:
            closers.append(brackets[mark])
        elif mark in ",:" and not closers:
            pieces.append("")
            continue
        pieces[-1] += mark
    return [piece.strip() for piece in pieces if piece.strip()]


def _one(part: str, hosts: Sequence[str], members: Mapping[str, Sequence[str]]) -> set[str]:
    if not part:
        raise ValueError("& and ! need a host or a group after them")
    if part in members:
        return set(members[part])
    if part in hosts:
        return {part}
    if part.startswith("~"):
        return _by_regex(part[1:], hosts, members)
    subscript = _SUBSCRIPT.match(part)
    if subscript and any(mark in subscript["name"] for mark in "*?"):  # as in Ansible: [0] is a place, not a character
        some = _by_glob(subscript["name"], hosts, members)
        return _by_subscript(subscript, [host for host in hosts if host in some])
    found = _by_glob(part, hosts, members) | _by_range(part, hosts)
    if found:
        return found
    if subscript and subscript["name"] in members:
        return _by_subscript(subscript, members[subscript["name"]])
    raise ValueError(f"no host or group is named {part}: {did_you_mean(part, [*members, *hosts])}")


def _by_glob(part: str, hosts: Sequence[str], members: Mapping[str, Sequence[str]]) -> set[str]:
    if not any(mark in part for mark in "*?"):
        return set()
    found = {host for host in hosts if fnmatch.fnmatchcase(host, part)}
    for group, names in members.items():
        if fnmatch.fnmatchcase(group, part):
            found |= set(names)
    return found


def _by_regex(text: str, hosts: Sequence[str], members: Mapping[str, Sequence[str]]) -> set[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a later Python may read otherwise
            expression = re.compile(text)
    except re.error as error:
        raise ValueError(f"~{text} is not a regular expression: {error}") from None
    except (RecursionError, OverflowError):
        raise ValueError("a regular expression is nested too deeply or counts too far") from None
    found = {host for host in hosts if expression.match(host)}
    for group, names in members.items():
        if expression.match(group):
            found |= set(names)
    return found


def _by_range(part: str, hosts: Sequence[str]) -> set[str]:
    if "[" not in part:
        return set()
    try:
        return set(ranges.expand(part)) & set(hosts)
    except ValueError:
        return set()


def _by_subscript(subscript: re.Match[str], names: Sequence[str]) -> set[str]:
    """``group[0]``, ``group[-1]``, ``group[1:]``; as in Ansible both ends of a slice are included."""
    if subscript["first"] is None:
        index = int(subscript["index"])
        if not -len(names) <= index < len(names):
            raise ValueError(f"{subscript.group()}: there are only {len(names)} hosts of {subscript['name']}")
        return {names[index]}
    first = int(subscript["first"] or 0)
    last = int(subscript["last"]) if subscript["last"] else -1
    chosen = names[first : last + 1 if last != -1 else None]
    if not chosen:
        raise ValueError(f"{subscript.group()}: there are only {len(names)} hosts of {subscript['name']}")
    return set(chosen)
