"""What a run would do, without contacting a machine: ``--list-phases``, ``--list-hosts``, ``--list-tags`` and so on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from kprov.cli.invocation import current

if TYPE_CHECKING:
    from kprov.cli.run_limits import Listing
    from kprov.provision.cluster.phase import Phase
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.inventory import Inventory


def show(inventory: Inventory, phases: Sequence[Phase], options: Options, listing: Listing) -> None:
    """Print the phases that these options choose, with what was asked for of each."""
    import json

    rows = list(_rows(inventory, phases, options))
    if current.is_json:
        for row in rows:
            typer.echo(json.dumps({"event": "phase", **row}))
        return
    for row in rows:
        typer.echo(row["phase"] + _batches(row))
        if listing.hosts:
            typer.echo(f"    hosts: {', '.join(row['hosts'])}")
        if listing.tags:
            typer.echo(f"    tags: {', '.join(row['tags']) or 'none'}")
        if listing.tasks:
            for task in row["tasks"]:
                typer.echo(f"    {task['name']}" + (f"  [{', '.join(task['tags'])}]" if task["tags"] else ""))


def _batches(row: dict[str, Any]) -> str:
    serial = row["serial"]
    if serial is None:
        return ""
    steps = serial if isinstance(serial, list) else [serial]
    return f"  ({', '.join(map(str, steps))} at a time)"


def _rows(inventory: Inventory, phases: Sequence[Phase], options: Options) -> Iterator[dict[str, Any]]:
    from kprov.provision.cluster.selection import choose
    from kprov.provision.cluster.sources import roles_folder, templates_folder
    from kprov.provision.engine.roles import Roles
    from kprov.provision.engine.tags import is_chosen
    from kprov.provision.engine.tasks import all_tasks

    roles = Roles(roles_folder(), templates_folder())
    for phase in choose(phases, options.selection, roles.tags_of).phases:
        hosts = [
            host.name for host in inventory.match(phase.hosts) if options.limit is None or host.name in options.limit
        ]
        if not hosts:
            continue
        tasks = [
            {"name": task.name, "tags": sorted(task.tags)}
            for task in (all_tasks(roles.get(phase.role).tasks["main.yml"]) if phase.role else ())
            if is_chosen(task.tags | phase.all_tags, options.tags, options.skip_tags)
        ]
        tags = {*phase.all_tags, *(tag for task in tasks for tag in task["tags"])}
        serial = 1 if phase.rolling else phase.serial or (None if phase.whole else options.pace.serial)
        yield {
            "phase": phase.title,
            "role": phase.role or None,
            "hosts": hosts,
            "serial": serial,
            "tags": sorted(tags),
            "tasks": tasks,
        }
