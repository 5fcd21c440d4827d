"""Options that several verbs share, so that each means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.invocation import OutputFormat, current


def _set_output(value: OutputFormat) -> OutputFormat:
    current.output = value
    return value


def _add_verbosity(value: int) -> int:
    current.verbosity += value
    return value


InventoryPath = Annotated[
    Path,
    typer.Option(
        "--inventory",
        "-i",
        envvar="KPROV_INVENTORY",
        help="The inventory: YAML or INI in Ansible's shape, a folder, or names: a,b.",
    ),
]
DEFAULT_INVENTORY = Path("inventory.yaml")
InventoryArgument = Annotated[
    Path | None,
    typer.Argument(metavar="INVENTORY", help="The inventory; the same as --inventory.", show_default=False),
]


def chosen(argument: Path | None, option: Path) -> Path:
    """The inventory that was meant: the argument, else the option."""
    return argument or option


ExtraVars = Annotated[
    list[str] | None,
    typer.Option(
        "--extra-vars",
        "-e",
        metavar="KEY=VALUE|@FILE|JSON",
        help="Variables stronger than all others; may be given more than once.",
        show_default=False,
    ),
]
Output = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", callback=_set_output, help="text for people; json: one object a line."),
]
OutputLong = Annotated[
    OutputFormat, typer.Option("--output", callback=_set_output, help="text for people; json: one object a line.")
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        callback=_add_verbosity,
        help="Say more: -v every task, -vv also what was skipped, -vvv where in kprov an error arose.",
        show_default=False,
    ),
]
Limit = Annotated[
    str,
    typer.Option(
        "--limit",
        "-l",
        metavar="PATTERN",
        help="Only these machines: groups, names, a:&b:!c, cp[1:3], group[0], web*, ~regex, @FILE of names.",
    ),
]
Forks = Annotated[int, typer.Option("--forks", "-f", min=1, help="How many machines are worked on at once.")]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tags",
        "-t",
        metavar="TAG,...",
        help="Only tasks with one of these tags; also all, tagged, untagged. Those tagged always are done anyway.",
        show_default=False,
    ),
]
SkipTags = Annotated[
    list[str] | None,
    typer.Option("--skip-tags", metavar="TAG,...", help="No tasks with one of these tags.", show_default=False),
]
StartAtPhase = Annotated[
    str,
    typer.Option("--start-at-phase", metavar="TITLE", help="Begin with this phase (its title, or how it begins)."),
]
Serial = Annotated[
    str,
    typer.Option(
        "--serial",
        metavar="N|N%,...",
        help="How many machines at a time, in phases that do not say it themselves: 1,25%,100% is one as a canary, "
        "then a quarter of all, then the rest. A batch with a failure is the last.",
    ),
]
MaxFail = Annotated[
    str,
    typer.Option(
        "--max-fail",
        metavar="N|N%",
        help="End the run when more machines than this have failed; the rest is left untouched. Default: go on with "
        "those that have not, but begin no batch after one with a failure.",
    ),
]
Step = Annotated[bool, typer.Option("--step", help="Ask before each phase; on a terminal only.")]
TimeoutOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--timeout",
        metavar="KIND=DURATION,...",
        help="How long to wait, for what: connect=30s,nodes=10m; the reference lists the kinds. A duration "
        "alone is for each task.",
        show_default=False,
    ),
]
ListPhases = Annotated[bool, typer.Option("--list-phases", help="Show the phases that would be run, and end.")]
ListHosts = Annotated[bool, typer.Option("--list-hosts", help="Show the machines of each phase, and end.")]
ListTags = Annotated[bool, typer.Option("--list-tags", help="Show the tags of each phase, and end.")]
ListTasks = Annotated[bool, typer.Option("--list-tasks", help="Show the tasks of each phase, and end.")]
Check = Annotated[bool, typer.Option("--check", "-C", help="Say what would be changed; change nothing.")]
Diff = Annotated[bool, typer.Option("--diff", "-D", help="Show what changes inside files.")]
AcceptNewHostKeys = Annotated[
    bool,
    typer.Option(
        "--accept-new-host-keys",
        help="Trust machines that are not known yet and remember their keys; a changed key is still refused.",
    ),
]
