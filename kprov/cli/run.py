"""``kprov run``: a user's own playbooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.exit_codes import of_outcome
from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    Check,
    Diff,
    ExtraVars,
    Forks,
    InventoryPath,
    Limit,
    ListHosts,
    ListTags,
    ListTasks,
    MaxFail,
    Output,
    Serial,
    SkipTags,
    Step,
    Tags,
    TimeoutOptions,
    Verbose,
)

app = typer.Typer(help="Run playbooks of your own, in Ansible's terms.")


@app.command()
def run(
    context: typer.Context,
    playbooks: Annotated[
        list[Path], typer.Argument(metavar="PLAYBOOK", help="The playbooks, run one after the other.")
    ],
    inventory: InventoryPath = DEFAULT_INVENTORY,
    limit: Limit = "",
    tags: Tags = None,
    skip_tags: SkipTags = None,
    serial: Serial = "",
    max_fail: MaxFail = "",
    step: Step = False,
    check: Check = False,
    diff: Diff = False,
    roles_path: Annotated[
        list[Path] | None,
        typer.Option("--roles-path", help="Where roles are looked for before the playbook's own.", show_default=False),
    ] = None,
    syntax_check: Annotated[
        bool, typer.Option("--syntax-check", help="Read and check everything, connect to nothing, and end.")
    ] = False,
    list_hosts: ListHosts = False,
    list_tags: ListTags = False,
    list_tasks: ListTasks = False,
    forks: Forks = 32,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Run playbooks of your own, in Ansible's terms.

    All plays and roles are read and checked before any machine is touched; what kprov does not know is refused by name.
    """
    from kprov.cli.ansible_settings import read_settings
    from kprov.cli.going_on import tell_what_was_left
    from kprov.cli.inventory_source import limit_hosts, open_inventory
    from kprov.cli.playbook_listing import show
    from kprov.cli.run_limits import Stepper, read_max_fail, read_serial, read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.engine import Engine
    from kprov.provision.engine import tags as tag_words
    from kprov.provision.engine.roles import Roles
    from kprov.provision.playbook import Known, Options, PlaybookRun, read_playbooks
    from kprov.provision.playbook.play_pace import PlayPace
    from kprov.provision.playbook.run import collections_paths, roles_paths

    first = playbooks[0]
    settings, inventory = read_settings(context, inventory)
    loaded = open_inventory(
        inventory,
        extra_vars,
        cluster=None,
        playbook_directory=first.parent,
        private_key_file=settings.private_key_file,
    )
    options = Options(
        limit=frozenset(host.name for host in limit_hosts(loaded, limit)) if limit else None,
        limit_pattern=limit,
        forks=forks,
        tags=tag_words.split(tags),
        skip_tags=tag_words.split(skip_tags),
        pace=PlayPace(read_serial(serial), read_max_fail(max_fail, len(loaded.hosts)), Stepper().ask if step else None),
    )
    book = read_playbooks(playbooks, loaded.vault, Known.of(loaded))
    settings.of(loaded).apply(book)
    folders = roles_paths(first, roles_path or (), [play.directory for play in book.plays], settings.roles_path)
    collections = collections_paths(first, settings.collections_path)
    roles = Roles(folders, strict=False, beside=first.parent, vault=loaded.vault, collections_path=collections)
    playbook_run = PlaybookRun(loaded, book, roles, options)
    playbook_run.check()
    if syntax_check or list_hosts or list_tags or list_tasks:
        show(playbook_run, hosts=list_hosts, tags=list_tags, tasks=list_tasks)
        return
    command = f"kprov run {' '.join(map(str, playbooks))}"
    with open_run_output(diff=diff) as shown:
        if not check:
            tell_what_was_left(loaded.cluster.state_directory, command, shown)
        with Engine(
            loaded,
            reporter=shown.reporter,
            check=check,
            diff=diff,
            tags=options.tags,
            skip_tags=options.skip_tags,
            forks=forks,
            roles=roles,
            state_directory=loaded.cluster.state_directory,
            accept_new_host_keys=accept_new_host_keys,
            timeouts=read_timeouts(loaded, timeout),
            command_line=command,
        ) as engine:
            playbook_run.run(engine, shown.tell)
            code = of_outcome(engine.outcome())
            if engine.stats:
                shown.tell_stats(engine.stats, engine.secrets.mask)
        if engine.retry_file.exists():
            shown.tell(f"only those that failed, once they are mended: --limit @{engine.retry_file}")
    shown.finish([], code, None)
    raise typer.Exit(int(code))
