"""``kprov vault``: makes, reads and changes what is encrypted with Ansible Vault."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.exit_codes import ExitCode
from kprov.cli.options import Verbose

if TYPE_CHECKING:
    from kprov.provision.vault import Vault

app = typer.Typer(
    help="Keep secrets encrypted, as ansible-vault does: both read what the other wrote.", no_args_is_help=True
)

STANDARD = "-"
_LARGEST = 256 * 1024 * 1024
_INDENT = " " * 10  # Ansible's

Files = Annotated[list[str] | None, typer.Argument(metavar="FILE", help="The files; none, or -, is standard input.")]
OneFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file.")]
OutputFile = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write here instead (one file only); - is standard output."),
]
EncryptId = Annotated[
    str | None,
    typer.Option("--encrypt-vault-id", metavar="LABEL", help="Which of several vault ids to encrypt with."),
]


class WrongUse(ValueError):
    """A command line that can't be meant."""

    exit_code = ExitCode.USAGE


@app.command()
def encrypt(
    files: Files = None, output: OutputFile = None, encrypt_vault_id: EncryptId = None, verbose: Verbose = 0
) -> None:
    """Encrypt files. Their modes stay."""
    from kprov.provision.vault import VaultError, is_encrypted

    vault = _vault(new=True)

    def change(name: str, data: bytes) -> bytes:
        if is_encrypted(data):
            raise VaultError("is encrypted already", "rekey changes the password", file=name)
        return vault.encrypt(data, encrypt_vault_id)

    _change_all(files, output, change, private=False)


@app.command()
def decrypt(files: Files = None, output: OutputFile = None, verbose: Verbose = 0) -> None:
    """Decrypt files. Nobody but their owner may read them afterwards."""
    vault = _vault()
    _change_all(files, output, lambda name, data: vault.decrypt(data, name), private=True)


@app.command()
def view(files: Files = None, verbose: Verbose = 0) -> None:
    """Show what encrypted files hold."""
    vault = _vault()
    for name in files or [STANDARD]:
        sys.stdout.buffer.write(vault.decrypt(_read(name), name))
    sys.stdout.buffer.flush()


@app.command()
def edit(file: OneFile, verbose: Verbose = 0) -> None:
    """Edit an encrypted file with $VISUAL or $EDITOR. It is never decrypted on disk where there is memory for it."""
    from kprov.provision.vault import VaultError, editing
    from kprov.provision.vault.files import write_atomically

    vault = _vault()
    before = _read(str(file))
    content = vault.decrypt(before, str(file))
    edited = editing.edit(content, file.name, file.resolve().parent)
    if edited == content:
        typer.echo(f"{file}: nothing was changed", err=True)
        return
    sealed = vault.encrypt_as(before, edited)
    if _read(str(file)) != before:
        rescued = file.with_name(f"{file.name}.edited")
        write_atomically(rescued, sealed)
        raise VaultError(
            f"was changed by somebody else meanwhile; what you wrote is in {rescued}, encrypted", file=str(file)
        )
    write_atomically(file, sealed)


@app.command()
def create(file: OneFile, encrypt_vault_id: EncryptId = None, verbose: Verbose = 0) -> None:
    """Write a new encrypted file with $VISUAL or $EDITOR."""
    import os

    from kprov.provision.vault import VaultError, editing
    from kprov.provision.vault.files import write_atomically

    vault = _vault(new=True)
    if os.path.lexists(file):
        raise VaultError("is there already", "change it with: kprov vault edit", file=str(file))
    if not file.absolute().parent.is_dir():
        raise VaultError("can't be made: there is no such folder", file=str(file))
    vault.check_can_encrypt(encrypt_vault_id)
    content = editing.edit(b"", file.name, file.absolute().parent)
    write_atomically(file, vault.encrypt(content, encrypt_vault_id))


@app.command()
def rekey(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="The files.")],
    new_vault_password_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where the new password comes from; default: it is asked for.")
    ] = None,
    new_vault_id: Annotated[str | None, typer.Option(metavar="LABEL@SOURCE", help="The same, for a vault id.")] = None,
    verbose: Verbose = 0,
) -> None:
    """Encrypt files with another password. Nothing is written before all of them could be read."""
    from kprov.cli.vault_options import ask_new_secret, can_ask
    from kprov.provision.vault import PasswordSource, Vault

    if new_vault_password_file and new_vault_id:
        raise WrongUse("--new-vault-password-file and --new-vault-id exclude each other")
    text = new_vault_id or (f"default@{new_vault_password_file}" if new_vault_password_file else "default@prompt")
    vault = _vault()
    new = Vault([PasswordSource.parse(text)], ask_new_secret if can_ask() else None)
    _change_all(files, None, lambda name, data: new.encrypt(vault.decrypt(data, name)), private=False)


@app.command("encrypt-string")
def encrypt_string(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="What to encrypt; none: standard input. Others see it in ps."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", "-n", metavar="NAME", help="The variable's name, one for each text.", show_default=False
        ),
    ] = None,
    prompt: Annotated[bool, typer.Option("--prompt", "-p", help="Ask for the text; it is not shown.")] = False,
    encrypt_vault_id: EncryptId = None,
    verbose: Verbose = 0,
) -> None:
    """Encrypt a value, to be pasted into an inventory or a file of variables."""
    from kprov.cli.vault_options import ask_secret

    vault = _vault(new=True)
    vault.check_can_encrypt(encrypt_vault_id)
    values = [text.encode(errors="surrogateescape") for text in texts or ()]
    if prompt:
        values.append(ask_secret("Text to encrypt: ").encode())
    if not values or (texts == [STANDARD] and not prompt):
        values = [_read(STANDARD)]
    names = name or []
    if len(names) > len(values):
        raise WrongUse(f"there are {len(names)} names for {len(values)} texts")
    for index, value in enumerate(values):
        sealed = vault.encrypt(value, encrypt_vault_id).decode()
        head = f"{names[index]}: " if index < len(names) else ""
        typer.echo(f"{head}!vault |\n" + "".join(f"{_INDENT}{line}\n" for line in sealed.splitlines()), nl=False)


def _vault(*, new: bool = False) -> Vault:
    from kprov.cli.vault_options import given_vault

    return given_vault(new=new)


def _read(name: str) -> bytes:
    """A file's content, or that of standard input. Raises VaultError."""
    from kprov.provision.documents import Unreadable, read
    from kprov.provision.vault import VaultError

    if name == STANDARD:
        return sys.stdin.buffer.read()
    try:
        return read(Path(name), _LARGEST)
    except Unreadable as error:
        raise VaultError(error.reason, error.suggestion, file=name) from None


def _change_all(
    files: list[str] | None, output: str | None, change: Callable[[str, bytes], bytes], *, private: bool
) -> None:
    """Read and change everything, then write: a mistake in one file leaves all as they were."""
    from kprov.provision.vault.files import write_atomically

    names = list(dict.fromkeys(files or [STANDARD]))
    if output is not None and len(names) > 1:
        raise WrongUse("--output takes one file; there are several")
    changed = {name: change(name, _read(name)) for name in names}
    for name, data in changed.items():
        to = output or name
        if to == STANDARD:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            write_atomically(Path(to), data, private=private)
