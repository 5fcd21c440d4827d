"""Says where a run goes on, when the one of the same command before it did not end well."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kprov.cli.run_output import RunOutput


def tell_what_was_left(state_directory: Path, command: str, output: RunOutput) -> None:
    """Say it, if there is anything to say.

    Args:
        state_directory: where runs are remembered.
        command: as the journals have it.
        output: who is told.
    """
    from kprov.cli.run_texts import going_on, going_on_facts
    from kprov.provision.engine.resumption import left_undone

    found = left_undone(state_directory, command)
    if found is not None:
        output.reporter.event("goes_on", "\n".join(going_on(found)), **going_on_facts(found))


def tell_who_works(state_directory: Path, output: RunOutput) -> None:
    """Say who changes machines just now, while what they are is only shown."""
    from kprov.provision.engine.holder import held_by
    from kprov.provision.engine.state_lock import holder_of

    holder = holder_of(state_directory)
    if holder is not None:
        who = held_by(holder).partition(": ")[0]
        output.reporter.warning(f"the cluster's state is {who}: what is shown may be half-done")
