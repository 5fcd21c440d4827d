"""The options that say where vault passwords come from. They come with every verb that reads an inventory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main

from kprov.cli.invocation import current

if TYPE_CHECKING:
    from kprov.provision.vault import Vault

_FILE_VARIABLES = ("KPROV_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_PASSWORD_FILE")
_ID_LIST_VARIABLE = "ANSIBLE_VAULT_IDENTITY_LIST"


def _declare(
    vault_password_file: Annotated[
        list[str] | None,
        typer.Option(
            "--vault-password-file",
            "--vault-pass-file",
            metavar="FILE",
            help="Opens what is encrypted: a file that holds the password or, when executable, prints it.",
            show_default=False,
        ),
    ] = None,
    vault_id: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL@SOURCE",
            help="The same for one vault id; the source is such a file, or prompt. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    ask_vault_password: Annotated[
        bool, typer.Option("--ask-vault-password", "--ask-vault-pass", "-J", help="Ask for the vault password.")
    ] = False,
) -> None:
    """Never called: its parameters are what other commands get."""


def _keep(context: Any, parameter: Any, value: Any) -> None:
    match parameter.name:
        case "vault_password_file":
            current.vault_ids += [f"default@{file}" for file in value or ()]
        case "vault_id":
            current.vault_ids += value or ()
        case "ask_vault_password":
            current.asks_vault_password = current.asks_vault_password or bool(value)


def add_vault_options(command: Any, *, always: bool = False) -> None:
    """Give a command, or every command below it, Ansible's vault options where it has ``--inventory``.

    Args: ``always``: also where it has none.
    """
    below = getattr(command, "commands", None)
    for each in (below or {}).values():
        add_vault_options(each, always=always)
    names = {name for parameter in command.params for name in parameter.opts}
    if ("--inventory" in names or (always and below is None)) and "--vault-id" not in names:
        command.params += vault_options()


def vault_options() -> list[Any]:
    """The options as a command has them; what they are given is kept in the invocation."""
    declaring = typer.Typer(add_completion=False)
    declaring.command()(_declare)
    options = [option for option in typer.main.get_command(declaring).params if option.name != "help"]
    for option in options:
        option.expose_value = False
        option.callback = _keep
    return options


def given_vault(*, new: bool = False) -> Vault:
    """The vault with the passwords that this command was given, by options or by the environment.

    Without any, a person at a terminal is asked when something encrypted is met.

    Args: ``new``: a password that is asked for is asked for twice, since something is encrypted with it.
    Raises VaultError.
    """
    from kprov.provision.vault import PasswordSource, Vault

    sources = [PasswordSource.parse(text) for text in current.vault_ids]
    if current.asks_vault_password:
        sources.append(PasswordSource())
    if not sources:
        named = [name for name in os.environ.get(_ID_LIST_VARIABLE, "").split(",") if name.strip()]
        sources = [PasswordSource.parse(name.strip()) for name in named]
        usual = current.usual_vault_password_file
        file = next((os.environ[name] for name in _FILE_VARIABLES if os.environ.get(name)), usual)
        if file:
            sources.append(PasswordSource(path=Path(file).expanduser()))
    ask = ask_new_secret if new else ask_secret
    return Vault(sources, ask if can_ask() else None)


def can_ask() -> bool:
    """Whether there is a person at a terminal."""
    return sys.stdin.isatty()


def ask_secret(question: str) -> str:
    """Ask a person for something that is not echoed."""
    import getpass

    from kprov.provision.vault import VaultError

    try:
        return getpass.getpass(question)
    except EOFError:
        raise VaultError("no vault password was entered") from None


def ask_new_secret(question: str) -> str:
    """Ask twice, and take it when both are the same. Raises VaultError."""
    from kprov.provision.vault import VaultError

    first = ask_secret(f"New {question[0].lower()}{question[1:]}")
    if ask_secret(f"Confirm new {question[0].lower()}{question[1:]}") != first:
        raise VaultError("the two passwords are not the same: nothing was changed")
    return first
