"""``kprov certs request`` and ``import``: authorities that somebody else signs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.certificate_rotation import Which
from kprov.cli.options import DEFAULT_INVENTORY, ExtraVars, InventoryPath, Verbose
from kprov.cli.passphrase import passphrase_given

if TYPE_CHECKING:
    from collections.abc import Iterable


def request(
    authority: Annotated[Which, typer.Option(help="Which authority somebody else is to sign.")] = Which.ALL,
    directory: Annotated[
        Path | None,
        typer.Option(help="Write the requests into this folder as well: NAME.csr.", show_default=False),
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take back requests, and what was imported and not yet taken.")
    ] = False,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    extra_vars: ExtraVars = None,
    verbose: Verbose = 0,
) -> None:
    """Write requests for authorities of this cluster, to be signed elsewhere.

    The keys are made here and stay here, sealed with KPROV_PASSPHRASE where that is set. What comes back goes to
    `kprov certs import`. Contacts no machine; called again, it writes the same requests.
    """
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.pki import external

    state = open_inventory(inventory, extra_vars).cluster.state_directory
    names = _names(authority)
    if withdraw:
        gone = external.withdraw(state, names)
        typer.echo("\n".join(f"deleted {path}" for path in gone) or "there is nothing to take back")
        return
    for name, path in external.write_requests(state, names, passphrase=passphrase_given()).items():
        shown = path
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            shown = directory / f"{name}.csr"
            shutil.copyfile(path, shown)
        typer.echo(f"{name}: have {shown} signed as an authority (CA:TRUE, keyCertSign)")
    typer.echo("then: kprov certs import FILE..., each with the certificate first and those above it after it")


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="What was signed: its certificate, then those above it, in PEM."),
    ],
    authority: Annotated[
        Which | None, typer.Option(help="Which authority, when its key comes with it.", show_default=False)
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="Its key, when that was not made by `kprov certs request`.", show_default=False),
    ] = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    extra_vars: ExtraVars = None,
    verbose: Verbose = 0,
) -> None:
    """Take in authorities that were signed elsewhere, and lay them ready.

    Nobody signs with them before `kprov up` raises the cluster, or `kprov certs rotate-ca` changes the present ones.
    Contacts no machine.
    """
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import OptionError
    from kprov.provision.pki import external
    from kprov.provision.pki.authority import is_complete

    state = open_inventory(inventory, extra_vars).cluster.state_directory
    passphrase = passphrase_given()
    if (key is None) != (authority is None):
        raise OptionError("--authority and --key belong together: a file made of a request needs neither")
    if key is not None and authority is not None:
        if authority is Which.ALL or len(files) != 1:
            raise OptionError("--key is the key of one authority: name that, and one FILE")
        external.import_with_key(state, str(authority), files[0], key, passphrase=passphrase)
        taken = [str(authority)]
    else:
        taken = []
        for file in files:
            taken.append(external.import_signed(state, file, passphrase=passphrase))
    stands = is_complete(state)
    for name in taken:
        follow = f"kprov certs rotate-ca --authority {name}" if stands else "kprov up"
        typer.echo(f"{name} lies ready; it is taken by: {follow}")


def _names(authority: Which) -> Iterable[str]:
    from kprov.provision.pki.authority_names import AUTHORITIES

    return tuple(AUTHORITIES) if authority is Which.ALL else (str(authority),)
