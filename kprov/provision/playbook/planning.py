"""A play made ready for the engine."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from kprov.provision.engine.play_plan import PlayPlan
from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.place import Piece, Place, Section
from kprov.provision.playbook.checks import Seen

# The release of ansible-core whose behaviour is followed: what roles ask `ansible_version` for.
FOLLOWED = {"full": "2.19.0", "string": "2.19.0", "major": 2, "minor": 19, "revision": 0}


def plan_of(seen: Seen, pieces: Sequence[Piece], magic: Mapping[str, Any]) -> PlayPlan:
    """The plan of a play.

    Args:
        seen: the play, looked at.
        pieces: its roles'.
        magic: variables that Ansible gives to every play.
    """
    play = seen.play
    place = Place(play.role, play.frame)
    roles = _with_handlers(pieces)
    defaults: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for piece in pieces:
        defaults.update(piece.place.role.defaults)
        variables.update(piece.place.role.variables)
    return PlayPlan(
        title=play.name,
        sections=(
            Section((Piece(place, play.pre_tasks),)),
            Section((*pieces, Piece(place, play.tasks))),
            Section((Piece(place, play.post_tasks),)),
        ),
        frame=play.frame,
        handlers=(*(piece.place for piece in roles), place),
        variables=play.variables,
        magic={**magic, **_of_play(seen, [piece.place.role for piece in pieces])},
        exposed_defaults=defaults,
        exposed_variables=variables,
        serial=play.serial,
        max_fail_percentage=play.max_fail_percentage,
        any_errors_fatal=play.any_errors_fatal,
        in_step=seen.lockstep,
        force_handlers=play.force_handlers,
    )


def _with_handlers(pieces: Sequence[Piece]) -> list[Piece]:
    """Each role once, where its handlers have their turn: its first place; that of its last use where uses differ."""
    found: dict[int, Piece] = {}
    for piece in pieces:
        known = found.get(id(piece.place.role))
        if known is not None and known.once_key != piece.once_key:
            del found[id(piece.place.role)]
        found[id(piece.place.role)] = piece
    return list(found.values())


def _of_play(seen: Seen, roles: list[Role]) -> dict[str, Any]:
    play = seen.play
    listed = [entry.name for entry in play.roles]
    return {
        "playbook_dir": str(play.directory.resolve()),
        "ansible_play_name": play.name,
        "ansible_play_role_names": listed,
        "ansible_dependent_role_names": [role.name for role in roles if role.name not in listed],
        "role_names": [role.name for role in roles],
        "ansible_role_names": [role.name for role in roles],
    }


def common_magic(
    *, forks: int, tags: Sequence[str], skip_tags: Sequence[str], limit: str, inventory: str
) -> dict[str, Any]:
    """Variables that Ansible gives to every play of a run."""
    return {
        "ansible_version": dict(FOLLOWED),
        "ansible_playbook_python": sys.executable,
        "ansible_config_file": None,
        "ansible_forks": forks,
        "ansible_verbosity": 0,
        "ansible_run_tags": list(tags) or ["all"],
        "ansible_skip_tags": list(skip_tags),
        "ansible_inventory_sources": [inventory],
        "ansible_managed": "Ansible managed",
        **({"ansible_limit": limit} if limit else {}),
    }
