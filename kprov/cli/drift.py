"""Says after a run what somebody had changed on the machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kprov.cli.run_output import RunOutput

_MOST = 20


def tell_drift(state_directory: Path, run_id: str, output: RunOutput) -> None:
    """Say it, if there is anything to say.

    Args:
        state_directory: where runs are remembered.
        run_id: the run that ended.
        output: who is told.
    """
    from kprov.provision.cluster.drift import drift_of

    drift = drift_of(state_directory, run_id)
    if drift is None or not drift.found:
        return
    count = "1 thing is" if len(drift.found) == 1 else f"{len(drift.found)} things are"
    mended = "put right" if not drift.compared_only else "what kprov up would put right"
    if not drift.compared_only:
        count = "1 thing was" if len(drift.found) == 1 else f"{len(drift.found)} things were"
    lines = [f"drift: {count} not as run {drift.since.id} left them, and nothing else has changed; {mended}:"]
    lines += [f"  {host}: {role}: {task}" for host, role, task in drift.found[:_MOST]]
    if len(drift.found) > _MOST:
        lines.append(f"  and {len(drift.found) - _MOST} more: kprov runs show")
    output.reporter.event(
        "drift",
        "\n".join(lines),
        since=drift.since.id,
        mended=not drift.compared_only,
        found=[{"host": host, "role": role, "task": task} for host, role, task in drift.found],
    )
