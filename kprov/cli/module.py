"""``kprov module``: one module on some machines, now; and which modules there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kprov.cli.invocation import OutputFormat, current
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    Check,
    Diff,
    ExtraVars,
    Forks,
    InventoryPath,
    Limit,
    Output,
    TimeoutOptions,
    Verbose,
)

if TYPE_CHECKING:
    from kprov.provision.agent.parameters import Parameter
    from kprov.provision.engine import Result
    from kprov.provision.engine.manual import Manual

app = typer.Typer(help="Run one module on some machines, now; list modules and read their manuals.")

# What the headline or the diff says already, or nobody asks for.
_SAID = frozenset({"changed", "failed", "skipped", "msg", "diff", "exception", "stdout_lines", "stderr_lines"})


@app.command()
def module(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The module; or: list, doc.", metavar="NAME|list|doc")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Its parameters; after doc: the module.", show_default=False),
    ] = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    limit: Limit = "",
    check: Check = False,
    diff: Diff = False,
    become_user: Annotated[
        str, typer.Option("--become-user", metavar="USER", help="Run its programs as this user.", show_default=False)
    ] = "",
    forks: Forks = 32,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Run one module on some machines, now: kprov module file path=/srv state=directory -l web.

    `kprov module list` shows which there are, `kprov module doc NAME` a module's parameters and what it returns. Names
    and parameters are Ansible's.
    """
    if name == "list":
        _list()
    elif name == "doc":
        _doc(arguments or [])
    else:
        from kprov.cli.ad_hoc import Asked, arguments_of, machines_of, results_of, show
        from kprov.cli.ansible_settings import read_settings
        from kprov.cli.inventory_source import limit_hosts
        from kprov.cli.output import make_reporter
        from kprov.cli.run_limits import read_timeouts
        from kprov.provision.engine.control_modules import CONTROL
        from kprov.provision.engine.module_names import own_name

        given = arguments_of(name, arguments or [])
        own = own_name(name)
        if own is None or own in CONTROL:
            from kprov.cli.ad_hoc import AskedWrongly

            raise AskedWrongly([f"{name} is done by the controller while it runs a play; alone it does nothing"])
        settings, inventory = read_settings(context, inventory)
        loaded = machines_of(inventory, extra_vars, settings)
        asked = Asked(
            own, given, settings.of(loaded), check=check, diff=diff, become_user=become_user or None, forks=forks,
            accept_new_host_keys=accept_new_host_keys, timeouts=read_timeouts(loaded, timeout),
        )  # fmt: skip
        reporter = make_reporter(diff=diff)
        results, code = results_of(loaded, limit_hosts(loaded, limit), asked, reporter)
        show(reporter, results, lambda result: _text(result, diff))
        reporter.finish(int(code))
        raise typer.Exit(int(code))


def _text(result: Result, diff: bool) -> tuple[str, str]:
    """The headline and what the module gave back."""
    import yaml  # not needed to list modules

    headline = str(result.status) + (f": {result.message}" if result.message else "")
    data = {key: value for key, value in result.data.items() if key not in _SAID}
    text = (
        yaml.dump(json.loads(json.dumps(data)), Dumper=_dumper(), sort_keys=False, allow_unicode=True) if data else ""
    )
    body = "\n".join(f"  {line}" for line in text.splitlines())
    if diff and result.diff:
        body = "\n".join([f"  {line}" for line in result.diff.splitlines()] + ([body] if body else []))
    return headline, body


def _dumper() -> Any:
    """YAML for people: texts of several lines as they are."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return Dumper


def _list() -> None:
    from kprov.cli.tables import table
    from kprov.provision.engine.manual import manual_of, names

    manuals = [found for name in names() if (found := manual_of(name)) is not None]
    if current.is_json:
        for found in manuals:
            typer.echo(json.dumps({"name": found.name, "title": found.title, "aliases": found.aliases}))
    else:
        typer.echo(table(["NAME", "WHAT IT DOES"], [[found.name, found.title] for found in manuals]))


def _doc(names: list[str]) -> None:
    from kprov.cli.ad_hoc import AskedWrongly, _unknown
    from kprov.provision.engine.manual import manual_of

    if not names:
        raise AskedWrongly(["name a module: kprov module doc copy"])
    for index, name in enumerate(names):
        found = manual_of(name)
        if found is None:
            raise AskedWrongly([_unknown(name)])
        if current.is_json:
            typer.echo(json.dumps(_as_data(found)))
        else:
            typer.echo(("\n" if index else "") + "\n".join(_page(found)))


def _kind(parameter: Parameter) -> str:
    kind = parameter.kind if parameter.elements is None else f"{parameter.kind} of {parameter.elements}"
    if parameter.choices and parameter.kind != "bool":
        kind = " | ".join(str(choice) for choice in parameter.choices)
    return kind


def _page(found: Manual) -> Iterator[str]:
    import textwrap

    yield f"{found.name}: {found.title}"
    for paragraph in found.text:
        yield from ("", *textwrap.wrap(paragraph, 100))
    if found.aliases:
        yield from ("", f"Also called {', '.join(found.aliases)}.")
    if found.specification is None:
        yield from ("", "Parameters: any name and value.")
    elif found.specification:
        yield from ("", "Parameters (= must be given):")
    for name, parameter in (found.specification or {}).items():
        mark = "=" if parameter.required else "-"
        default = "" if parameter.default in (None, [], {}, "") else f", default {_shown(parameter.default)}"
        also = f", also {', '.join(parameter.aliases)}" if parameter.aliases else ""
        yield f"{mark} {name} ({_kind(parameter)}{default}{also})"
        yield from textwrap.wrap(found.parameters.get(name, ""), 96, initial_indent="    ", subsequent_indent="    ")
    for rule in found.rules:
        yield from ("", rule.replace("`", "'"))
    if found.returns:
        yield from ("", "Returns:")
    for name, text in found.returns.items():
        yield from textwrap.wrap(f"{name}: {text}", 98, initial_indent="  ", subsequent_indent="    ")


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_data(found: Manual) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "text": found.text,
        "aliases": found.aliases,
        "parameters": {
            name: {
                "type": parameter.kind,
                "elements": parameter.elements,
                "required": parameter.required,
                "default": parameter.default,
                "choices": list(parameter.choices) if parameter.choices else None,
                "aliases": list(parameter.aliases),
                "description": found.parameters.get(name, ""),
            }
            for name, parameter in (found.specification or {}).items()
        },
        "rules": found.rules,
        "returns": found.returns,
    }
