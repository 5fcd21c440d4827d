"""``kprov bundle``: gathers what machines need, once, to be shipped over SSH."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(help="Gather what machines need, once, to be shipped over SSH.")

Directory = Annotated[Path | None, typer.Option(help="Where the bundle lies.", envvar="KPROV_BUNDLE")]


def _fail(error: Exception) -> NoReturn:
    typer.secho(f"kprov bundle: {error}", fg="red", err=True)
    raise typer.Exit(1) from error


@app.command()
def build(
    directory: Directory = None,
    release: Annotated[list[str] | None, typer.Option(help="Debian releases of the machines; all by default.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Look for newer packages too.")] = False,
) -> None:
    """Gather everything; only what is missing or out of date is made."""
    from kprov.debian.releases import RELEASES, UnknownRelease
    from kprov.provision.bundle.build import build as build_bundle
    from kprov.provision.bundle.errors import BundleError

    try:
        bundle = build_bundle(
            directory,
            releases=tuple(release or RELEASES),
            refresh=refresh,
            say=lambda text: typer.echo(text, err=True),
        )
    except (BundleError, UnknownRelease) as error:
        _fail(error)
    files = {each.sha256: each.size for each in bundle.manifest.artifacts()}
    typer.echo(f"{len(files)} files, {_megabytes(sum(files.values()))}, in {bundle.folder}")


@app.command()
def show(
    directory: Directory = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> None:
    """Show what the bundle holds."""
    from kprov.provision.bundle import Bundle, BundleError

    try:
        bundle = Bundle.open(directory)
    except BundleError as error:
        _fail(error)
    rows = list(_rows(bundle.manifest))
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("KIND", "FOR", "NAME", "VERSION", "SIZE", "SHA256", box=None)
    for row in rows:
        size = _megabytes(row["size"])
        table.add_row(row["kind"], row["release"], row["name"], row["version"], size, row["sha256"][:12])
    Console().print(table)


def _rows(manifest: Any) -> list[dict[str, Any]]:
    def row(kind: str, release: str, name: str, version: str, artifact: Any) -> dict[str, Any]:
        where = {"sha256": artifact.sha256, "size": artifact.size, "path": str(artifact.path)}
        return {"kind": kind, "release": release, "name": name, "version": version, **where}

    rows = [
        row("package", f"Debian {release}", package.name, package.version, package)
        for release, packages in sorted(manifest.packages.items())
        for package in packages
    ]
    rows += [
        row("daemons", f"Debian {number}", archive.file, release.version, archive)
        for number, release in sorted(manifest.daemons.items())
        for archive in release.archives
    ]
    for image in manifest.images:
        name, _, tag = image.name.rpartition(":")
        rows.append(row("image", "all", name, tag, image))
    return rows


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
