"""Help without what tells nobody anything: that a switch is a truth, and each verb's own offer of completion."""

from __future__ import annotations

from typing import Any

import typer.core

_COMPLETION = ("install_completion", "show_completion")
"""`kprov` has them for all its verbs. Asked of a verb they would install the completion of a program of its name."""

_type_of = typer.core.TyperOption.display_type_rich


def _shown_type(option: Any, ctx: Any) -> str | None:
    return option.metavar if option.is_flag or option.count else _type_of(option, ctx)


def show_types_of_values_alone() -> None:
    """Let help say what type an option's value has only where the option takes one, from now on."""
    option: Any = typer.core.TyperOption
    option.display_type_rich = _shown_type


def tidy_help(command: Any) -> None:
    """Mend the help of a verb and every command below it: no completion of its own, unbroken lines, names in capitals.

    Typer keeps the line breaks of a docstring from its second paragraph on, whatever the width of the window.
    """
    command.params = [each for each in command.params if each.name not in _COMPLETION]
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(each.split()) for each in paragraphs)
    for each in command.params:
        if each.param_type_name == "argument" and each.metavar is None:
            each.metavar = each.name.upper()  # as the others' are
    for inner in getattr(command, "commands", {}).values():
        tidy_help(inner)
