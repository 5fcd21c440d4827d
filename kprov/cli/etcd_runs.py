"""How the verbs of ``kprov etcd`` run: phases over the machines that they concern, and the last word."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from kprov.cli.exit_codes import ExitCode, of_outcome

if TYPE_CHECKING:
    from kprov.cli.run_output import RunOutput
    from kprov.provision.cluster.phase import Phase
    from kprov.provision.cluster.storage.salvage import Recovery
    from kprov.provision.cluster.storage.saving import Saving
    from kprov.provision.inventory import Host, Inventory


def run_on_etcd(
    inventory: Inventory,
    shown: RunOutput,
    phases: tuple[Phase, ...],
    command_line: str,
    accept_new_host_keys: bool,
    timeout: list[str] | None,
    tell: Callable[[], None],
    *,
    then: Callable[[], tuple[Phase, ...]] | None = None,
    only_answering: bool = False,
) -> ExitCode:
    """Run phases on the machines that an operation of etcd concerns. Returns the exit code.

    Args: ``then`` gives the phases that can be known only after the first; ``tell`` has the last word, if all is well.
    """
    from kprov.cli.run_limits import read_timeouts
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.pace import run_phases
    from kprov.provision.cluster.procedure import Options

    options = Options(
        accept_new_host_keys=accept_new_host_keys,
        only_answering=only_answering,
        timeouts=read_timeouts(inventory, timeout),
        tell=shown.tell,
        command_line=command_line,
    )
    with operation(inventory, shown.reporter, options, _concerned(inventory, phases, then)) as context:
        context.engine.validate_roles(["kube-apiserver"])
        times = run_phases(context, phases)
        if then is not None:
            times += run_phases(context, then())
        engine = context.engine
    code = of_outcome(engine.outcome())
    if only_answering and code is ExitCode.UNREACHABLE:
        code = ExitCode.OK  # that machines are lost is why it was called
    if code is ExitCode.OK:
        tell()
    shown.finish(times, code, None)
    return code


def _concerned(inventory: Inventory, phases: tuple[Phase, ...], then: object) -> list[Host]:
    patterns = {phase.hosts for phase in phases} | ({"all"} if then is not None else set())
    names = {host.name for pattern in patterns for host in inventory.match(pattern)}
    return [host for host in inventory.hosts.values() if host.name in names]


def looking(inventory: Inventory, command_line: str, accept_new_host_keys: bool) -> AbstractContextManager[Any]:
    """An engine that only looks: it waits for no run, and holds none up."""
    from kprov.provision.cluster.procedure import Options, engine_for
    from kprov.provision.engine.reporter import SilentReporter

    options = Options(accept_new_host_keys=accept_new_host_keys, only_answering=True, command_line=command_line)
    return engine_for(inventory, SilentReporter(), options, locked=False)


_NOT_RAISED = (
    "this etcd can't raise its revisions: restart programs in the cluster that watch the API (operators), since they "
    "may hold newer ones than there are now"
)


def tell_saved(shown: RunOutput, saving: Saving) -> None:
    """Where the snapshot is, and what it is of."""
    from kprov.cli.etcd_texts import size

    assert saving.status is not None
    took = f"{saving.target}: {size(saving.target.stat().st_size)}, {saving.status.total_keys} keys, "
    shown.reporter.event(
        "snapshot",
        took + f"revision {saving.status.revision}, from {saving.member}; sha256 {saving.sha256}",
        path=str(saving.target),
        sha256=saving.sha256,
        size=saving.target.stat().st_size,
        member=saving.member,
        taken=int(time.time()),
        **saving.status.as_dict(),
    )


def tell_restored(shown: RunOutput, bumped: bool, kept: str) -> None:
    """Where the data of before are kept, and what is left to do where revisions could not be raised."""
    lines = [f"restored; what was there before is kept on each machine of etcd: {kept}"]
    if not bumped:
        lines.append(_NOT_RAISED)
    shown.reporter.event("restored", "\n".join(lines), kept=kept, revisions_raised=bumped)


def tell_recovered(shown: RunOutput, recovery: Recovery, kept: str) -> None:
    """Whose data it was, who is out of etcd, and what is left to do where revisions could not be raised."""
    lost = [host.name for host in recovery.lost]
    lines = [f"etcd has a quorum again, with what {recovery.source} had; its data of before are kept there: {kept}"]
    if lost:
        lines.append(f"out of etcd: {', '.join(lost)}; `kprov up` lets them join anew once they are back")
    if not recovery.bumped:
        lines.append(_NOT_RAISED)
    shown.reporter.event(
        "recovered", "\n".join(lines), source=recovery.source, lost=lost, kept=kept, revisions_raised=recovery.bumped
    )
