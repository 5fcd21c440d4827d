"""What a run of playbooks would do, without contacting a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from kprov.cli.invocation import current

if TYPE_CHECKING:
    from kprov.provision.playbook import PlaybookRun


def show(run: PlaybookRun, *, hosts: bool, tags: bool, tasks: bool) -> None:
    """Print the plays, with what was asked for of each."""
    import json

    for row in _rows(run, hosts=hosts, tags=tags, tasks=tasks):
        if current.is_json:
            typer.echo(json.dumps({"event": "play", **row}))
            continue
        typer.echo(f"{row['play']}  ({row['pattern']}, {row['where']})")
        if hosts:
            typer.echo(f"    hosts: {', '.join(row['hosts']) or 'none'}")
        if tags:
            typer.echo(f"    tags: {', '.join(row['tags']) or 'none'}")
        for task in row.get("tasks", ()):
            typer.echo(f"    {task['name']}" + (f"  [{', '.join(task['tags'])}]" if task["tags"] else ""))
    if not current.is_json and not (hosts or tags or tasks):
        typer.echo(f"{len(run.plays)} play{'s' * (len(run.plays) != 1)}: nothing is wrong with them")


def _rows(run: PlaybookRun, *, hosts: bool, tags: bool, tasks: bool) -> list[dict[str, Any]]:
    from kprov.provision.engine.tags import is_chosen

    rows: list[dict[str, Any]] = []
    for seen in run.plays:
        play = seen.play
        row: dict[str, Any] = {"play": play.name, "pattern": play.hosts, "where": play.location}
        if hosts:
            row["hosts"] = ["localhost"] if run.is_local(play) else [host.name for host in run.hosts_of(play)]
        if tags:
            row["tags"] = sorted({tag for reached in seen.tasks for tag in reached.task.tags})
        if tasks:
            handlers = {id(handler) for reached in seen.tasks for handler in reached.place.role.handlers}
            row["tasks"] = [
                {"name": reached.task.name, "tags": sorted(reached.task.tags)}
                for reached in seen.tasks
                if id(reached.task) not in handlers
                and is_chosen(reached.task.tags, run.options.tags, run.options.skip_tags)
            ]
        rows.append(row)
    return rows
