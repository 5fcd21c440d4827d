"""Which tasks are done, by their tags: Ansible's rules, with always, never, tagged, untagged and all."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable

_UNTAGGED = frozenset({"untagged"})


def is_chosen(tags: Collection[str], only: Collection[str] = (), skip: Collection[str] = ()) -> bool:
    """Whether a task is done.

    Args:
        tags: its own, and those of all that it lies in.
        only: what ``--tags`` names; nothing: ``all``.
        skip: what ``--skip-tags`` names.

    Source: Ansible's "Tags": ``always`` is done unless it is skipped by name, ``never`` is not done unless one of its
    tags is named.
    """
    if not (tags or only or skip):  # asked for each task of each host
        return True
    return _is_chosen(frozenset(tags), frozenset(only), frozenset(skip))


@functools.lru_cache(maxsize=4096)
def _is_chosen(tags: frozenset[str], only: frozenset[str], skip: frozenset[str]) -> bool:
    own = tags or _UNTAGGED
    return _wanted(own, only or frozenset({"all"})) and not _skipped(own, skip)


def _wanted(own: frozenset[str], only: frozenset[str]) -> bool:
    if "always" in own or own & only:
        return True
    if "never" in own:
        return False
    return "all" in only or ("tagged" in only and own != _UNTAGGED)


def _skipped(own: frozenset[str], skip: frozenset[str]) -> bool:
    if "all" in skip:
        return "always" not in own or "always" in skip
    return bool(own & skip) or ("tagged" in skip and own != _UNTAGGED)


def split(words: Iterable[str] | None) -> tuple[str, ...]:
    """The tags in the values of an option: ``a,b`` names two."""
    return tuple(tag.strip() for word in words or () for tag in word.split(",") if tag.strip())
