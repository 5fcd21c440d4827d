"""The frame of an operation on a cluster that stands: connect, open what the controller keeps, run its phases.

`kprov up` has a frame of its own (procedure.py): it checks machines for fitness and can be planned. An operation asks
nothing of the machines but that they answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kprov.provision.bundle import Bundle
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.controller_state import KUBECONFIG, controller_state
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.procedure import Options, connect, engine_for
from kprov.provision.engine.reporter import Reporter
from kprov.provision.inventory import Host, Inventory
from kprov.provision.pki.authority import is_complete


class NoClusterError(ClusterError):
    """The controller knows of no cluster of this inventory."""


def refuse_no_cluster(inventory: Inventory) -> None:
    """An operation is one on a cluster that was raised from this state directory.

    Raises:
        NoClusterError: it was not.
    """
    if not is_complete(inventory.cluster.state_directory):
        raise NoClusterError(
            f"the authorities of {inventory.cluster.cluster_name} are not in {inventory.cluster.state_directory}: "
            "raise the cluster with `kprov up`, or bring that folder from the computer that raised it"
        )


@contextmanager
def operation(
    inventory: Inventory,
    reporter: Reporter,
    options: Options,
    hosts: Sequence[Host] | None = None,
    *,
    bundle: Bundle | None = None,
    signs: bool = False,
    known: bool = True,
) -> Iterator[Context]:
    """Connect to the machines of an operation.

    Args:
        inventory: the cluster.
        reporter: told of what is done.
        options: the run's; `only_answering` says whether machines that do not answer stop it.
        hosts: those that it concerns; None: all.
        bundle: what machines need, where it brings them something.
        signs: open the authorities' keys, which may need a passphrase.
        known: refuse to begin where the cluster was not raised from here; else only the machines are asked.

    Raises:
        NoClusterError: the cluster was not raised from here.
        SealedError: the passphrase is missing or wrong.
        LockedError, UnreachableError: as for `connect`.
    """
    if known:
        refuse_no_cluster(inventory)
    folder = inventory.cluster.state_directory
    with engine_for(inventory, reporter, options) as engine:
        chosen = list(inventory.hosts.values()) if hosts is None else list(hosts)
        connect(engine, chosen, only_answering=options.only_answering)
        if not signs:
            yield Context(engine, inventory, bundle, None, kubeconfig=folder / KUBECONFIG)
            return
        with controller_state(inventory, check=options.check, passphrase=options.passphrase) as state:
            yield Context(engine, inventory, bundle, state.authorities, kubeconfig=state.kubeconfig)
