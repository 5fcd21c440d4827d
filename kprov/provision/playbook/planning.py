"""A play made ready for the engine."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from kprov.provision.engine.play_plan import PlayPlan
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.running.imports import Brought, imports_in
from kprov.provision.engine.running.place import Piece, Place, Section
from kprov.provision.playbook.checks import Seen

# The release of ansible-core whose behaviour is followed: what roles ask `ansible_version` for.
FOLLOWED = {"full": "2.19.0", "string": "2.19.0", "major": 2, "minor": 19, "revision": 0}


def plan_of(seen: Seen, pieces: Sequence[Piece], roles: Roles, magic: Mapping[str, Any]) -> PlayPlan:
    """The plan of a play.

    Args:
        seen: the play, looked at.
        pieces: its roles'.
        roles: gives roles by name.
        magic: variables that Ansible gives to every play.
    """
    play = seen.play
    place = Place(play.role, play.frame)
    imports = [one for piece in pieces for one in imports_in(piece.place, piece.steps, roles)]
    for steps in (play.pre_tasks, play.post_tasks, play.tasks):  # the order in which Ansible reads them
        imports += imports_in(place, steps, roles)
    defaults: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for piece in pieces:
        defaults.update(piece.place.role.defaults)
        variables.update(piece.place.role.variables)
    for brought in imports:
        brought.expose(defaults, variables)
    return PlayPlan(
        title=play.name,
        sections=(
            Section((Piece(place, play.pre_tasks),)),
            Section((*pieces, Piece(place, play.tasks))),
            Section((Piece(place, play.post_tasks),)),
        ),
        frame=play.frame,
        handlers=_handlers([piece.place for piece in pieces], place, imports),
        variables=play.variables,
        magic={**magic, **_of_play(seen, pieces, imports)},
        exposed_defaults=defaults,
        exposed_variables=variables,
        serial=play.serial,
        max_fail_percentage=play.max_fail_percentage,
        any_errors_fatal=play.any_errors_fatal,
        in_step=seen.lockstep,
        force_handlers=play.force_handlers,
        makes_groups=seen.groups,
    )


def _handlers(listed: list[Place], play: Place, imports: Sequence[Brought]) -> tuple[Place, ...]:
    """Whose handlers have their turn when: the play's own after those of the roles that it lists, before imported ones.

    Source: ansible-core 2.19; a role that is brought more than once has it where it is brought last.
    """
    found: dict[str, Place] = {}
    for place in (*listed, play, *(place for brought in imports for place in brought.places)):
        found.pop(place.role.name, None)
        found[place.role.name] = place
    return tuple(found.values())


def _of_play(seen: Seen, pieces: Sequence[Piece], imports: Sequence[Brought]) -> dict[str, Any]:
    play = seen.play
    named = [*(entry.name for entry in play.roles), *(brought.place.role.name for brought in imports)]
    listed = list(dict.fromkeys(named))
    every = [piece.place.role.name for piece in pieces]
    every += [place.role.name for brought in imports for place in brought.places]
    every = list(dict.fromkeys(every))
    return {
        "playbook_dir": str(play.directory.resolve()),
        "ansible_play_name": play.name,
        "ansible_play_role_names": listed,
        "ansible_dependent_role_names": [name for name in every if name not in listed],
        "role_names": listed,
        "ansible_role_names": every,
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
