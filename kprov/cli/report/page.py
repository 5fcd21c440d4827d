"""Puts the page together and writes it, readable by nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.cli.report.alike import changes, in_flight, trouble
from kprov.cli.report.checks import certificate_ends, checks, drills
from kprov.cli.report.choice import VERIFY
from kprov.cli.report.timeline import timeline
from kprov.cli.report.topology import topology
from kprov.cli.run_texts import duration, how_it_ended, moment
from kprov.provision import atomic
from kprov.provision.engine.runs import Run, TaskRecord

if TYPE_CHECKING:
    from jinja2 import Template

NAME = "report.html"
"""What a report is called in its run's folder."""
# A page is read by a person: a run on a thousand machines may change a million things.
_MOST_DIFF_LINES, _MOST_LETTERS, _MOST_WARNINGS, _MOST_MACHINES = 400, 1000, 100, 60
_LEARNT = {"address": "mono", "groups": "", "system": "", "kernel": "mono", "processors": "number", "memory": "number"}
_COUNTED = ("ok", "changed", "failed")


def write_page(runs: Sequence[Run], file: Path | None = None) -> Path:
    """Write the page of runs that belong together, whole or not at all.

    Args: ``file`` is where; None: beside the first run's journal.

    Returns: the file.

    Raises:
        OSError: it can't be written.
    """
    path = file if file is not None else runs[0].folder / NAME
    atomic.write(path, page(runs).encode(errors="replace"), mode=atomic.PRIVATE)
    return path


def page(runs: Sequence[Run]) -> str:
    """The HTML of runs that belong together, the first of which gives the title."""
    first = runs[0]
    changed, left_out = changes(runs)
    failed, more_failed = trouble(runs)
    warnings = list(dict.fromkeys(warning for run in runs for warning in run.warnings))
    cluster = next((run.cluster for run in runs if run.cluster), {})
    machines = _machines(runs, cluster)
    looked_only = all(run.command == VERIFY for run in runs)
    return _template().render(
        run=first,
        runs=runs,
        cluster={"name": "", "pod_network": "", "service_network": "", **cluster},
        machines=machines,
        columns=_columns(machines, counted=not looked_only),
        most_machines=_MOST_MACHINES,
        topology=topology(cluster, {machine["host"]: machine["state"] for machine in machines}),
        timeline=timeline(runs),
        outcome=_outcome(runs),
        sums={word: sum(run.total(word) for run in runs) for word in ("ok", "changed", "failed", "skipped")},
        seconds=max(run.ended for run in runs) - first.started,
        phases=changed,
        left_out=left_out,
        trouble=failed,
        more_trouble=more_failed,
        in_flight=in_flight(runs),
        errors=[run.error for run in runs if run.error],
        warnings=warnings[:_MOST_WARNINGS],
        more_warnings=len(warnings[_MOST_WARNINGS:]),
        checks=checks(runs),
        drills=drills(runs),
        looked_only=looked_only,
        certificates=certificate_ends(runs),
        releases=list(dict.fromkeys(name for run in runs for name in run.releases)),
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "duration": duration,
        "moment": moment,
        "ended": how_it_ended,
        "diff_lines": _diff_lines,
        "role_of": _role_of,
    }
    return environment.from_string(Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8"))


def _outcome(runs: Sequence[Run]) -> str:
    """The worst of them, and `failed` where a check did not hold."""
    ends = [run.outcome for run in runs if run.outcome != "ok"]
    unsound = any(record.get("passed") is not True for run in runs for record in run.checks)
    return ends[0] if ends else "failed" if unsound else "ok"


def _machines(runs: Sequence[Run], cluster: dict[str, Any]) -> list[dict[str, Any]]:
    """Every machine of the inventory, with what the runs learnt and did there."""
    listed = {str(each.get("host")): each for each in cluster.get("machines") or [] if isinstance(each, dict)}
    names = list(dict.fromkeys([*listed, *(host for run in runs for host in run.hosts)]))
    rows = []
    for name in names:
        known = next((run.machines[name] for run in runs if name in run.machines), {})
        counts = [run.counts[name] for run in runs if name in run.counts]
        sums = {word: sum(int(each.get(word) or 0) for each in counts) for word in ("ok", "changed", "failed")}
        lost = any(each.get("unreachable") for each in counts)
        reason = next((str(each["reason"]) for each in counts if each.get("unreachable") and each.get("reason")), "")
        state = "unreachable" if lost else next((word for word in ("failed", "changed", "ok") if sums[word]), "")
        rows.append({"host": name, **_described(listed.get(name, {}), known), **sums, "state": state, "reason": reason})
    return rows


def _described(listed: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    memory = known.get("memory_mb")
    return {
        "address": listed.get("address", ""),
        "groups": ", ".join(str(group).replace("_", " ") for group in listed.get("groups") or ()),
        "system": known.get("system", ""),
        "kernel": known.get("kernel", ""),
        "processors": known.get("processors") or "",
        "memory": f"{memory / 1024:.1f} GiB" if isinstance(memory, (int, float)) else "",
    }


def _columns(machines: Sequence[dict[str, Any]], *, counted: bool) -> list[dict[str, str]]:
    """What is known of at least one machine, and how many tasks ended how."""
    known = [key for key in _LEARNT if any(machine[key] for machine in machines)]
    columns = [{"key": key, "title": "CPU" if key == "processors" else key, "kind": _LEARNT[key]} for key in known]
    return columns + [{"key": key, "title": key, "kind": "number"} for key in _COUNTED if counted]


def _diff_lines(diff: str) -> list[tuple[str, str]]:
    """A diff's lines with what each is: add, remove, place or same."""
    lines = diff.splitlines()
    shown = [(_kind(line), _cut(line)) for line in lines[:_MOST_DIFF_LINES]]
    if len(lines) > _MOST_DIFF_LINES:
        shown.append(("place", f"... and {len(lines) - _MOST_DIFF_LINES} more lines: the journal has them"))
    return shown


def _cut(line: str) -> str:
    if len(line) <= _MOST_LETTERS:
        return line
    return f"{line[:_MOST_LETTERS]} ... and {len(line) - _MOST_LETTERS} more letters"


def _kind(line: str) -> str:
    if line.startswith(("+++", "---", "@@")):
        return "place"
    return "add" if line.startswith("+") else "remove" if line.startswith("-") else "same"


def _role_of(task: TaskRecord) -> str:
    return f"{task.role}: " if task.role and task.role != task.phase else ""
