"""``kprov plan -o FILE`` and ``kprov up --plan FILE``: what they say, and what the second takes from the first."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from kprov.cli.run_output import RunOutput
    from kprov.provision.cluster.plan_file import PlanFile
    from kprov.provision.cluster.planning import Planning
    from kprov.provision.inventory import Inventory


class PlanOptionError(ValueError):
    """Options that do not go with a plan; the message names them."""

    exit_code = ExitCode.USAGE


def file_of(out: Path | None) -> Path | None:
    """The file of ``-o``, where it is one. Elsewhere ``-o json`` means the output's form: here it would be a file."""
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        what = "is a folder" if out.is_dir() else f"lies in {out.parent}, which is no folder"
        raise PlanOptionError(f"-o {out}: a plan can't be written there: it {what}")
    if out is not None and str(out) in ("json", "text"):
        raise PlanOptionError(f"-o {out}: -o names the plan's file here; the output's form is chosen by --output {out}")
    return out


def kept_in_plan(limits: dict[str, Any]) -> dict[str, Any]:
    """What a plan is limited to, from the procedures' options."""
    names = limits["limit"]
    return {
        "limit": None if names is None else sorted(names),
        "tags": list(limits["tags"]),
        "skip_tags": list(limits["skip_tags"]),
        "start_at_phase": limits["start_at_phase"],
    }


def refuse_beside_plan(**given: object) -> None:
    """Refuse options that the plan has decided already. Raises PlanOptionError."""
    wrong = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if wrong:
        raise PlanOptionError(f"{', '.join(wrong)}: not beside --plan, which says what is done; make another plan")


def limits_of(plan: PlanFile) -> dict[str, Any]:
    """The procedures' options that a plan has decided: just its machines, its tags and its phases.

    Raises: PlanFileError.
    """
    from kprov.provision.cluster.plan_file import PlanFileError

    options = plan.options
    tags, skip_tags = options.get("tags", []), options.get("skip_tags", [])
    start = options.get("start_at_phase", "")
    if not (isinstance(tags, list) and isinstance(skip_tags, list) and isinstance(start, str)):
        raise PlanFileError("the plan is damaged: its options can't be read; make a new one: kprov plan -o FILE")
    return {
        "limit": frozenset(plan.hosts) if plan.left_out else None,
        "tags": tuple(map(str, tags)),
        "skip_tags": tuple(map(str, skip_tags)),
        "start_at_phase": start,
    }


def write(planning: Planning, path: Path, output: RunOutput, inventory: Inventory) -> bool:
    """Write the plan that was made. Returns whether there was one to write. Raises PlanFileError."""
    from kprov.cli.output.base import in_words
    from kprov.provision.cluster.plan_file import write_plan

    if planning.made is None:
        output.reporter.event("no_plan", f"No plan was written to {path}: what fails now can't be planned.")
        return False
    write_plan(path, planning.made)
    count, hosts = planning.made.changes(), sum(bool(host.tasks) for host in planning.made.hosts.values())
    what = f"{in_words(count, 'change')} on {in_words(hosts, 'machine')}" if count else "nothing to change"
    lines = [f"The plan ({what}) is in {path}. To carry out just this: kprov up -i {inventory.path} --plan {path}"]
    lines += [f"  {name} is not in it: {reason}" for name, reason in planning.made.left_out.items()]
    output.reporter.event("plan_written", "\n".join(lines), file=str(path), changes=count)
    return True


def tell_begin(plan: PlanFile, path: Path, output: RunOutput) -> None:
    """Say which plan is carried out."""
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(plan.created))
    text = f"Carries out the plan {path}, made by {plan.by} at {made}: {plan.changes()} changes, after comparing"
    output.reporter.event("carries_out", text, file=str(path), plan_run=plan.run, changes=plan.changes())


def tell_end(planning: Planning, output: RunOutput) -> None:
    """Say what was done as planned, what followed from it, and what was not needed any more."""
    from kprov.provision.cluster.planned_changes import against_plan

    assert planning.carry_out is not None
    found = against_plan(planning.carry_out, planning.done)
    lines = []
    for name, sums in found.items():
        parts = [f"{len(sums['planned'])} changes as planned"]
        parts += [f"{len(sums['followed'])} that followed from them"] if sums["followed"] else []
        parts += [f"no longer needed: {', '.join(sums['not needed'])}"] if sums["not needed"] else []
        lines.append(f"  {name}: {', '.join(parts)}")
    if lines:
        output.reporter.event("against_plan", "\n".join(["Against the plan:", *lines]), hosts=found)
