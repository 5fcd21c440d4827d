"""What must hold so that a run may leave machines or phases out. All of it is asked before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import Phase
from kprov.provision.cluster.selection import Chosen, SelectionError, never_been_through
from kprov.provision.inventory import Host
from kprov.provision.kubeapi.client import ClusterApiError

_KEEPERS = ("etcd", "control_plane")


def names_of(hosts: Sequence[Host]) -> str:
    """The names of machines, for a message."""
    return ", ".join(host.name for host in hosts)


def refuse_new_authorities(context_folder: Path, left_out: Sequence[Host]) -> None:
    """A limited run makes no authorities: the machines that it leaves out would not trust them.

    Args: ``context_folder`` is the controller's folder of keys.

    Raises: SelectionError.
    """
    keepers = _keepers(left_out)
    if keepers and not (context_folder / "pki").exists():
        raise SelectionError(
            f"the authorities of this cluster are not in {context_folder}, and {names_of(keepers)}, which --limit "
            "leaves out, would not trust new ones. Raise the cluster without --limit first, or bring that folder from "
            "the computer that raised it"
        )


def refuse_to_join_nothing(context: Context, alive: Sequence[Host], left_out: Sequence[Host]) -> None:
    """A new machine of a limited run joins a cluster that stands; the run begins none of only a part of its machines.

    Raises: SelectionError.
    """
    new = [host for host in alive if not context.engine.facts[host.name].get("kprov_release")]
    keepers = _keepers(left_out)
    if not new or not keepers:
        return
    try:
        context.api.request("GET", "/readyz")
    except ClusterApiError as error:
        verb = "is" if len(new) == 1 else "are"
        raise SelectionError(
            f"{names_of(new)} {verb} new and would have to join the cluster of {names_of(keepers)}, which --limit "
            f"leaves out, but no API server answers: {error}. Raise the cluster without --limit first"
        ) from None


def _keepers(hosts: Sequence[Host]) -> list[Host]:
    """Those that keep the cluster's state or serve its API."""
    return [host for host in hosts if any(group in host.groups for group in _KEEPERS)]


def files_on(context: Context, wanted: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """By machine, which of these files are there; a machine that can't be asked is missing."""
    calls = {name: [("stat", {"path": path, "_quiet": True}) for path in paths] for name, paths in wanted.items()}
    found: dict[str, set[str]] = {}
    for name, answers in context.engine.module_all(calls).items():
        if not any(answer.failed for answer in answers):
            pairs = zip(wanted[name], answers, strict=True)
            found[name] = {path for path, answer in pairs if answer["stat"]["exists"]}
    return found


def refuse_gaps(context: Context, phases: Sequence[Phase], chosen: Chosen) -> None:
    """Phases may be left out only on machines that have been through them, where a later phase needs that.

    Raises: SelectionError.
    """
    gaps = never_been_through(
        phases,
        chosen,
        lambda phase: context.engine.alive(context.hosts_of(phase.hosts)),
        lambda wanted: files_on(context, wanted),
    )
    if gaps:
        raise SelectionError(
            "\n".join([*gaps, "Run it without these options first: what is done already costs little"])
        )
