"""``kprov``: finds the verb, and turns whatever happens into a message and an exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from kprov.cli import failures
from kprov.cli.exit_codes import ExitCode, epilog
from kprov.cli.invocation import current
from kprov.cli.options import Verbose
from kprov.cli.plain_help import show_types_of_values_alone, tidy_help
from kprov.cli.plain_values import take_plain_values
from kprov.cli.vault_options import add_vault_options
from kprov.cli.verbs import Verb, available


class VerbGroup(typer.core.TyperGroup):
    """A group whose commands are imported when they are called; help and completion know them from a table."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs, in the table's order."""
        return list(available())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that has the verb's name and help, enough for ``kprov --help``."""
        verb = available().get(cmd_name)
        if verb is None:
            return None
        return typer.core.TyperCommand(cmd_name, help=verb.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb's own command, imported now."""
        if args and args[0] not in available() and not args[0].startswith("-"):
            ctx.fail(f"no such command {args[0]}: {_hint(args[0])}")
        name, stand_in, rest = super().resolve_command(ctx, args)
        if stand_in is None or name is None:
            return name, stand_in, rest
        current.verb = name
        if (count := _inventories(rest)) > 1:
            ctx.fail(f"--inventory is given {count} times, and one is read: a folder that holds them all is one, too")
        return name, _load(name, available()[name]), rest


def _inventories(arguments: Sequence[str]) -> int:
    """How many inventories are named by options: the last would be taken, and the others passed over in silence."""
    options = [*arguments[: arguments.index("--")]] if "--" in arguments else arguments
    return sum(word in ("-i", "--inventory") or word.startswith("--inventory=") for word in options)


def _hint(typed: str) -> str:
    """What somebody may have meant who typed a verb that is none: one below another verb, or one like it."""
    import difflib

    below = [f"kprov {name} {typed}" for name, verb in available().items() if typed in _below(name, verb)]
    if below:
        return f"did you mean {' or '.join(below)}?"
    close = difflib.get_close_matches(typed, available(), n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(available())}"


def _below(name: str, verb: Verb) -> Iterable[str]:
    found: Iterable[str] = getattr(_load(name, verb), "commands", ())
    return found


def _load(name: str, verb: Verb) -> Any:
    module = import_module(f"kprov.cli.{verb.module}")
    command = typer.main.get_command(module.app)
    command.name = name
    add_vault_options(command, always=name == "vault")
    tidy_help(command)
    return command


def _show_version(value: bool) -> None:
    if value:
        import kprov

        typer.echo(f"kprov {kprov.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    epilog=epilog(),
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def kprov(
    verbose: Verbose = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From bare machines that answer on SSH to a verified, highly available Kubernetes cluster."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line. Returns the exit code; raises nothing.

    Args: ``arguments`` without the program's name; None takes the process's own.
    """
    current.reset()
    take_plain_values()
    show_types_of_values_alone()
    try:
        typer.main.get_command(app).main(args=None if arguments is None else list(arguments), prog_name="kprov")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else (ExitCode.OK if end.code is None else ExitCode.FAILED)
        if code == ExitCode.INTERRUPTED:
            return _interrupted()
        return _ended(int(code))
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        if current.reporter:
            current.reporter.close()
        return _ended(int(failures.report(error)))
    return _ended(int(ExitCode.OK))


def _interrupted() -> int:
    if current.reporter:
        current.reporter.close()
    print("kprov: interrupted; the same command goes on from here", file=sys.stderr)
    return _ended(int(ExitCode.INTERRUPTED))


def _ended(code: int) -> int:
    """Let the reporter have the last word, however the run ended."""
    if current.reporter:
        current.reporter.finish(code)
        current.reporter.close()
    return code


def main() -> None:
    """The entry point of ``kprov``."""
    # Most of what a command makes stays until its end: looking for garbage as often as Python does by itself takes a
    # tenth of a short run.
    gc.set_threshold(50_000, 20, 100)
    try:
        code = run()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads (`| head`) has had enough: end as other programs do then
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    gc.freeze()  # nor is garbage looked for in all of it once more, when Python ends
    sys.exit(code)
