"""``kprov node``: machines of a cluster that stands: given no new pods, emptied, added, taken out, replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.consent import Yes
from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    Check,
    ExtraVars,
    InventoryPath,
    Output,
    TimeoutOptions,
    Verbose,
)
from kprov.provision.cluster.nodes.deadline import AtDeadline

if TYPE_CHECKING:
    from kprov.provision.cluster.nodes.drain import DrainOptions

app = typer.Typer(help="Drain, add, replace or remove machines.", no_args_is_help=True)

Machines = Annotated[
    str, typer.Argument(metavar="MACHINE,...", help="Names of machines, or a pattern as --limit takes it.")
]
Force = Annotated[bool, typer.Option("--force", help="Delete pods, too, that no controller makes anew.")]
DeleteEmptydirData = Annotated[
    bool, typer.Option("--delete-emptydir-data", help="Move pods with emptyDir volumes: what is in these is deleted.")
]
GracePeriod = Annotated[
    int | None,
    typer.Option("--grace-period", min=0, help="Seconds that a pod has to end. Default: its own.", show_default=False),
]
Deadline = Annotated[
    AtDeadline,
    typer.Option(
        "--at-deadline",
        help="What is done with pods that are still there after `--timeout drain=DURATION`: stop and say which and "
        "why, or delete them whatever their PodDisruptionBudgets say.",
    ),
]

HostKey = Annotated[
    str | None,
    typer.Option(
        "--host-key",
        metavar="'TYPE KEY'",
        help="The machine's host key, as ssh-keyscan shows it: it is trusted instead of one that is known. Compare it "
        "on the machine.",
        show_default=False,
    ),
]


def drain_options(
    *, force: bool, delete_emptydir_data: bool, grace_period: int | None, at_deadline: AtDeadline
) -> DrainOptions:
    """What these options mean together."""
    from kprov.provision.cluster.nodes.drain import DrainOptions
    from kprov.provision.kubeapi.pods import Guards

    return DrainOptions(Guards(force, delete_emptydir_data), grace_period, at_deadline)


@app.command("cordon")
def cordon_machines(
    machines: Machines,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    check: Check = False,
    timeout: TimeoutOptions = None,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Let no new pods come to machines. Those that are there stay."""
    from kprov.cli.node_runs import on_nodes
    from kprov.provision.cluster.nodes.cordon import cordon

    raise typer.Exit(on_nodes("cordon", inventory, machines, cordon, extra_vars, timeout, check=check))


@app.command("uncordon")
def uncordon_machines(
    machines: Machines,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    check: Check = False,
    timeout: TimeoutOptions = None,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Let new pods come to machines again."""
    from kprov.cli.node_runs import on_nodes
    from kprov.provision.cluster.nodes.cordon import uncordon

    raise typer.Exit(on_nodes("uncordon", inventory, machines, uncordon, extra_vars, timeout, check=check))


@app.command("drain")
def drain_machines(
    machines: Machines,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    force: Force = False,
    delete_emptydir_data: DeleteEmptydirData = False,
    grace_period: GracePeriod = None,
    at_deadline: Deadline = AtDeadline.STOP,
    check: Check = False,
    timeout: TimeoutOptions = None,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Cordon machines, then move their pods away, one machine after the other, as PodDisruptionBudgets let them.

    Pods of DaemonSets and of static manifests stay. Nothing is moved when a pod would be lost: it is named, with the
    option that allows it. The machines stay cordoned until `kprov node uncordon`.
    """
    from kprov.cli.node_runs import on_nodes
    from kprov.provision.cluster.nodes.emptying import Emptying

    options = drain_options(
        force=force,
        delete_emptydir_data=delete_emptydir_data,
        grace_period=grace_period,
        at_deadline=at_deadline,
    )
    raise typer.Exit(on_nodes("drain", inventory, machines, Emptying(options).run, extra_vars, timeout, check=check))


OnlyAnswering = Annotated[
    bool,
    typer.Option(
        "--only-answering",
        help="Go on when other machines do not answer: they learn of it from the next `kprov up`.",
    ),
]


@app.command("add")
def add_machines(
    machines: Machines,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    host_key: HostKey = None,
    only_answering: OnlyAnswering = False,
    check: Check = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Let machines of the inventory join the cluster. Only they are worked on, and what must know of them.

    That is each other machine's /etc/hosts; for a machine of the control plane also the load balancers, and the API
    servers' flags and certificates, one machine at a time. A member of etcd joins as a learner.
    """
    from kprov.cli.node_runs import join

    code = join(
        "add",
        inventory,
        machines,
        extra_vars,
        timeout,
        only_answering=only_answering,
        check=check,
        accept_new_host_keys=accept_new_host_keys,
        host_key=host_key,
    )
    raise typer.Exit(code)


@app.command("replace")
def replace_machine(
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="The lost one's name, which the new one takes.")],
    inventory: InventoryPath = DEFAULT_INVENTORY,
    host_key: HostKey = None,
    only_answering: OnlyAnswering = False,
    check: Check = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Put a new machine in the place of one that is lost, with its name and address.

    The lost one's Node is deleted; the lost member is taken out of etcd, when the others have a quorum without it, and
    the new one joins as a learner. Refused when the lost machine's kubelet still reports. Safe to interrupt and repeat.
    """
    from kprov.cli.node_runs import join

    code = join(
        "replace",
        inventory,
        machine,
        extra_vars,
        timeout,
        only_answering=only_answering,
        check=check,
        accept_new_host_keys=accept_new_host_keys,
        host_key=host_key,
    )
    raise typer.Exit(code)


@app.command("remove")
def remove_machine(
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="Its name.")],
    inventory: InventoryPath = DEFAULT_INVENTORY,
    yes: Yes = False,
    gone: Annotated[
        bool, typer.Option("--gone", help="It does not answer and will not come back: nothing is asked of it.")
    ] = False,
    reset: Annotated[
        bool, typer.Option("--reset/--no-reset", help="Take off it what kprov put there, as `kprov reset` does.")
    ] = True,
    force: Force = False,
    delete_emptydir_data: DeleteEmptydirData = False,
    grace_period: GracePeriod = None,
    at_deadline: Deadline = AtDeadline.STOP,
    check: Check = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Take a machine out of the cluster: emptied, out of etcd, out of the API, cleared; then the others are told.

    Refused when etcd would lose its quorum, counted from its members, or the cluster its last control plane. Take the
    machine out of the inventory afterwards: the next `kprov up` would let it join again.
    """
    from kprov.cli.node_runs import remove

    options = drain_options(
        force=force,
        delete_emptydir_data=delete_emptydir_data,
        grace_period=grace_period,
        at_deadline=at_deadline,
    )
    code = remove(
        inventory,
        machine,
        options,
        extra_vars,
        timeout,
        yes=yes,
        gone=gone,
        reset=reset,
        check=check,
        accept_new_host_keys=accept_new_host_keys,
    )
    raise typer.Exit(code)
