"""How the verbs of ``kprov node`` run: an operation over some machines, its procedure and its last word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.cli.exit_codes import ExitCode
from kprov.cli.passphrase import passphrase_given

if TYPE_CHECKING:
    from kprov.provision.cluster.nodes.drain import DrainOptions
    from kprov.provision.cluster.phase import Procedure
    from kprov.provision.inventory import Host, Inventory


class MachineError(ValueError):
    """A machine that is named on the command line and can't be meant. Nothing was changed."""

    exit_code = ExitCode.USAGE


def machines_of(inventory: Inventory, pattern: str) -> list[Host]:
    """The machines that are meant. Raises MachineError."""
    from kprov.provision.inventory.problems import did_you_mean

    try:
        hosts = inventory.match(pattern, files=True)
    except ValueError as error:
        raise MachineError(f"{pattern}: {error}") from None
    if not hosts:
        raise MachineError(
            f"{pattern}: no machine of the inventory is meant by it: {did_you_mean(pattern, inventory.hosts)}"
        )
    return hosts


def on_nodes(
    verb: str,
    inventory: Path,
    pattern: str,
    procedure: Procedure,
    extra_vars: list[str] | None,
    timeout: Sequence[str] | None,
    *,
    check: bool,
) -> int:
    """Run what is done through the API alone: no machine is connected to. Returns the exit code."""
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.procedure import Options

    loaded = open_inventory(inventory, extra_vars)
    hosts = machines_of(loaded, pattern)
    options = Options(
        check=check,
        timeouts=read_timeouts(loaded, timeout),
        command_line=f"kprov node {verb}",
    )
    with open_run_output() as shown:
        with operation(loaded, shown.reporter, options, []) as context:
            procedure(context, hosts)
            engine = context.engine
        code = _code(engine)
        shown.finish([], code, None)
    return int(code)


def _code(engine: Any) -> ExitCode:
    from kprov.cli.exit_codes import of_outcome

    return of_outcome(engine.outcome())


def one_machine(inventory: Inventory, name: str) -> Host:
    """The machine of that name. Raises MachineError."""
    from kprov.provision.inventory.problems import UnknownName

    try:
        return inventory.host(name)
    except UnknownName as error:
        raise MachineError(str(error)) from None


def join(
    verb: str,
    inventory: Path,
    pattern: str,
    extra_vars: list[str] | None,
    timeout: Sequence[str] | None,
    *,
    only_answering: bool,
    check: bool,
    accept_new_host_keys: bool,
    host_key: str | None = None,
) -> int:
    """Let machines join: `add`, or `replace` for one in a lost one's place. Returns the exit code."""
    from kprov.cli.bundle_source import complete_bundle
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.nodes.join import Joining
    from kprov.provision.cluster.operation import refuse_no_cluster
    from kprov.provision.cluster.procedure import Options, run_procedure

    loaded = open_inventory(inventory, extra_vars)
    refuse_no_cluster(loaded)
    if verb == "replace":
        one_machine(loaded, pattern)
    hosts = tuple(machines_of(loaded, pattern))
    if host_key is not None:
        if len(hosts) > 1:
            raise MachineError(f"--host-key is one machine's, and {pattern} are {len(hosts)}: add that one by itself")
        loaded = _with_host_key(loaded, hosts[0].name, host_key)
        hosts = (loaded.host(hosts[0].name),)
    options = Options(
        check=check,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=only_answering,
        timeouts=read_timeouts(loaded, timeout),
        passphrase=passphrase_given(),
        command_line=f"kprov node {verb}",
    )
    with open_run_output() as shown:
        options.tell = shown.tell
        bundle = complete_bundle(loaded, shown.tell)
        phases = Joining(hosts, replaces=verb == "replace").phases(loaded)
        engine, times = run_procedure(loaded, phases, bundle, shown.reporter, options)
        code = of_outcome(engine.outcome())
        if code is ExitCode.OK and host_key is not None and not check:
            shown.tell(f"write its host key into the inventory (kprov_host_key), where an old one stands: {host_key}")
        shown.finish(times, code, None)
    return int(code)


def _with_host_key(inventory: Inventory, name: str, key: str) -> Inventory:
    """The inventory with another host key of one machine. Raises MachineError."""
    from kprov.provision.inventory import values

    try:
        pinned = values.host_key(key)
    except ValueError as error:
        raise MachineError(f"--host-key {error}") from None
    host = one_machine(inventory, name)
    changed = replace(host, host_key=pinned, variables={**host.variables, "kprov_host_key": pinned})
    return replace(inventory, hosts={**inventory.hosts, name: changed})


def remove(
    inventory: Path,
    name: str,
    drain: DrainOptions,
    extra_vars: list[str] | None,
    timeout: Sequence[str] | None,
    *,
    yes: bool,
    gone: bool,
    reset: bool,
    check: bool,
    accept_new_host_keys: bool,
) -> int:
    """Take a machine out, then tell the others. Returns the exit code."""
    from kprov.cli.consent import consent
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.nodes.knowing import leave_strangers_out, telling, without
    from kprov.provision.cluster.nodes.remove import Removal
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.pace import run_phases
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.transport.kept import KeptConnections

    loaded = open_inventory(inventory, extra_vars)
    host = one_machine(loaded, name)
    options = Options(
        check=check,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=True,
        timeouts=read_timeouts(loaded, timeout),
        passphrase=passphrase_given(),
        command_line="kprov node remove",
    )
    with open_run_output() as shown:
        agree = consent(f"Take {name} out of {loaded.cluster.cluster_name}?", yes=yes or check, tell=shown.tell)
        with operation(loaded, shown.reporter, options) as context:
            Removal(host, drain, gone, reset, agree, shown.tell).run(context)
            engine = context.engine
        KeptConnections(0, shown.tell).forget([name])
        code, times = _code_besides(engine, name), []
        if not check and code in (ExitCode.OK, ExitCode.UNREACHABLE):
            rest = without(loaded, [name])
            shown.tell("the other machines are told")
            with operation(rest, shown.reporter, options, signs=True) as context:
                phases = telling([host], rest)
                context.engine.validate_roles([phase.role for phase in phases if phase.role])
                leave_strangers_out(context)
                times = run_phases(context, phases)
            code = _code(context.engine)
            if code is ExitCode.OK:
                shown.tell(f"take {name} out of the inventory now: the next kprov up would let it join again")
        shown.finish(times, code, None)
    return int(code)


def _code_besides(engine: Any, name: str) -> ExitCode:
    """The exit code, whatever became of the machine that is gone."""
    states = {state.state for host, state in engine.state.items() if host != name}
    code = _code(engine)
    return ExitCode.OK if code is ExitCode.UNREACHABLE and "unreachable" not in states else code
