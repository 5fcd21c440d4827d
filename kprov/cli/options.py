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
    typer.Option("--inventory", "-i", envvar="KPROV_INVENTORY", help="The inventory: YAML in Ansible's shape."),
]
DEFAULT_INVENTORY = Path("inventory.yaml")
InventoryArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[INVENTORY]", help="The inventory; the same as --inventory.", show_default=False),
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
    typer.Option("--limit", "-l", metavar="PATTERN", help="Only these machines: groups, names, a:&b:!c, cp[1:3]."),
]
Forks = Annotated[int, typer.Option("--forks", "-f", min=1, help="How many machines are worked on at once.")]
Tags = Annotated[
    list[str] | None, typer.Option("--tags", "-t", help="Only tasks with one of these tags.", show_default=False)
]
SkipTags = Annotated[
    list[str] | None, typer.Option("--skip-tags", help="No tasks with one of these tags.", show_default=False)
]
Check = Annotated[bool, typer.Option("--check", "-C", help="Say what would be changed; change nothing.")]
Diff = Annotated[bool, typer.Option("--diff", "-D", help="Show what changes inside files.")]
AcceptNewHostKeys = Annotated[
    bool,
    typer.Option(
        "--accept-new-host-keys",
        help="Trust machines that are not known yet and remember their keys; a changed key is still refused.",
    ),
]
