"""``kprov inventory``: what is in an inventory, why a variable has its value, and how to come by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kprov.cli.exit_codes import ExitCode
from kprov.cli.invocation import OutputFormat
from kprov.cli.options import DEFAULT_INVENTORY, ExtraVars, InventoryPath, Limit, Output, Verbose

if TYPE_CHECKING:
    from kprov.provision.inventory import Host, Inventory, Layer

app = typer.Typer(help="List and explain an inventory, or make one.", no_args_is_help=True)
importing = typer.Typer(help="Make an inventory from what another tool knows.", no_args_is_help=True)
app.add_typer(importing, name="import")

MASK = "********"


class NothingSetsIt(LookupError):
    """A variable that no layer sets."""

    exit_code = ExitCode.FAILED


@app.command("list")
def list_hosts(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    limit: Limit = "",
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """List the machines, after checking the whole inventory. Nothing is contacted."""
    from kprov.cli.inventory_source import limit_hosts, open_inventory

    loaded = open_inventory(inventory, extra_vars, cluster=None)
    hosts = limit_hosts(loaded, limit)
    if output is OutputFormat.JSON:
        for host in hosts:
            _say({"event": "host", **_host_as_dict(host, loaded)})
        cluster = loaded.cluster.variables() if loaded.is_cluster else None
        _say({"event": "summary", "exit_code": 0, "cluster": cluster, "hosts": len(hosts)})
        return
    from kprov.cli.tables import table

    rows = [
        [host.name, _connection(host), host.node_address, ", ".join(group for group in host.groups if group != "all")]
        for host in hosts
    ]
    typer.echo(table(["HOST", "SSH", "NODE ADDRESS", "GROUPS"], rows))


@app.command()
def graph(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show the groups as a tree."""
    from kprov.cli.inventory_source import open_inventory

    loaded = open_inventory(inventory, extra_vars, cluster=None)
    if output is OutputFormat.JSON:
        for group in loaded.groups.values():
            event = {"event": "group", "name": group.name, "children": group.children, "hosts": group.hosts}
            _say(event)
        _say({"event": "summary", "exit_code": 0, "groups": len(loaded.groups)})
        return
    typer.echo("\n".join(_tree(loaded, "all")))


@app.command()
def explain(
    host: Annotated[str, typer.Argument(help="The machine's name in the inventory.")],
    variable: Annotated[str, typer.Argument(help="The variable's name.")],
    inventory: InventoryPath = DEFAULT_INVENTORY,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show every place that sets a variable for a machine, weakest first; the last one holds."""
    from kprov.cli.inventory_source import open_inventory

    found = open_inventory(inventory, extra_vars, cluster=None).explain(host, variable)
    if output is OutputFormat.JSON:
        for layer in found.layers:
            _say({"event": "layer", **_layer_as_dict(layer, variable)})
        value = _shown(variable, found.winner) if found.winner else None
        summary = {"event": "summary", "host": host, "variable": variable, "value": value, "set": bool(found.winner)}
        _say({**summary, "exit_code": 0 if found.winner else 1})
        if not found.winner:
            raise typer.Exit(ExitCode.FAILED)
        return
    if not found.winner:
        raise NothingSetsIt(f"nothing in {inventory} sets {variable} for {host} (a role may give it a default)")
    from kprov.cli.tables import table

    rows = []
    for layer in found.layers:
        mark = "<- holds" if layer is found.winner else ""
        rows.append([_source(layer), str(_shown(variable, layer)), str(layer.location or ""), mark])
    typer.echo(table(["SET BY", "VALUE", "WHERE", ""], rows))


@importing.command()
def vagrant(
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-d", help="Where the Vagrantfile is; `vagrant ssh-config` is run there."),
    ] = None,
    ssh_config: Annotated[
        Path | None,
        typer.Option("--ssh-config", help="The output of `vagrant ssh-config`, saved; - reads it from stdin."),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write the inventory here; default: standard output.")] = None,
    address: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=IP", help="A machine's address on the private network; default: the Vagrantfile's."),
    ] = None,
    cluster_name: Annotated[str, typer.Option(help="The cluster's name.")] = "vagrant",
    verbose: Verbose = 0,
) -> None:
    """Make an inventory of the machines of a Vagrantfile.

    Machines named cp* or control* run the control plane and etcd, the others are nodes.
    """
    from kprov.provision import atomic
    from kprov.provision.inventory.vagrant import import_vagrant

    text = import_vagrant(
        directory=directory, ssh_config=ssh_config, addresses=_pairs(address or []), cluster_name=cluster_name
    )
    if to is None:
        typer.echo(text, nl=False)
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(to, text)
    typer.echo(f"wrote {to}; next: kprov plan -i {to} --accept-new-host-keys", err=True)


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise typer.BadParameter(f"{text!r} is not of the form NAME=IP", param_hint="--address")
        pairs[name] = value
    return pairs


def _connection(host: Host) -> str:
    through = f" through {host.jump_host}" if host.jump_host else ""
    port = "" if host.port == 22 else f":{host.port}"
    return f"{host.user}@{host.address}{port}{through}"


def _host_as_dict(host: Host, loaded: Inventory) -> dict[str, Any]:
    layers = loaded.layers[host.name]
    sealed = {name for name, given in layers.items() if given and given[-1].secret}
    return {
        "name": host.name,
        "address": host.address,
        "node_address": host.node_address,
        "port": host.port,
        "user": host.user,
        "become": host.become,
        "jump_host": host.jump_host,
        "groups": host.groups,
        "variables": {
            name: MASK if value is not None and (name in sealed or _is_secret(name)) else _masked(value, loaded)
            for name, value in host.variables.items()
        },
    }


def _is_secret(variable: str) -> bool:
    from kprov.provision.inventory.host_variables import is_secret

    return is_secret(variable)


def _masked(value: Any, loaded: Inventory) -> Any:
    """The value without what came out of the vault, which a rendered template may hold."""
    if not loaded.secrets:
        return value
    from kprov.provision.engine.secrets import Secrets

    secrets = Secrets()
    for secret in loaded.secrets:
        secrets.add(secret)
    return secrets.mask_all(value)


def _shown(variable: str, layer: Layer) -> Any:
    """The value, or a mask for one that must not be seen."""
    return MASK if layer.value is not None and (layer.secret or _is_secret(variable)) else layer.value


def _say(event: dict[str, Any]) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(_plain(event), default=str))


def _plain(value: Any) -> Any:
    """The value with keys that JSON has: YAML's may be numbers, dates and more."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _layer_as_dict(layer: Layer, variable: str) -> dict[str, Any]:
    where = layer.location
    return {
        "kind": layer.kind,
        "group": layer.group,
        "value": _shown(variable, layer),
        "file": where.file if where else None,
        "line": where.line if where else None,
    }


def _source(layer: Layer) -> str:
    match layer.kind:
        case "default":
            return "kprov's default"
        case "all":
            return "all"
        case "group":
            return f"group {layer.group}"
        case "host":
            return "host_vars" if layer.group == "host_vars" else f"host (in {layer.group})"
        case other:
            return other


def _tree(inventory: Inventory, group: str, depth: int = 0) -> list[str]:
    """The tree as ``ansible-inventory --graph`` draws it."""
    lines = [f"{'  |' * depth}{'--' if depth else ''}@{group}:"]
    view = inventory.groups[group]
    for child in view.children:
        if child in inventory.groups and (child != "ungrouped" or inventory.members[child]):
            lines += _tree(inventory, child, depth + 1)
    below = {host for child in view.children for host in inventory.members.get(child, ())}
    lines += [f"{'  |' * (depth + 1)}--{host}" for host in view.hosts if group != "all" or host not in below]
    return lines
