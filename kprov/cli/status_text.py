"""One screen that says how a cluster stands, and the longer words of ``kprov doctor``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kprov.cli.etcd_texts import verdict
from kprov.cli.output.lines import printable
from kprov.cli.tables import table
from kprov.provision.inventory.timeouts import in_words

if TYPE_CHECKING:
    from kprov.provision.cluster.condition.cluster import ClusterState
    from kprov.provision.cluster.condition.finding import Finding
    from kprov.provision.cluster.condition.machine import MachineState

_MOST = 8
_FRESH = 60.0
"""Seconds for which a comparison is as good as one of now."""


def screen(state: ClusterState, findings: Sequence[Finding]) -> str:
    """The screen."""
    return "\n".join(printable(line) for line in _lines(state, findings))


def _lines(state: ClusterState, findings: Sequence[Finding]) -> Iterator[str]:
    yield f"{state.name} at {state.taken}"
    yield ""
    for title, answer in answers(state, findings).items():
        yield f"  {title:<18} {answer}"
    yield ""
    yield from ("  " + line for line in _machines(state).splitlines())
    if findings:
        yield ""
        for finding in findings[:_MOST]:
            yield f"  {finding.severity}: {finding.where}: {finding.what}"
        if len(findings) > _MOST:
            yield f"  and {len(findings) - _MOST} more"
        yield "  kprov doctor says what each means, and which command mends it"


def answers(state: ClusterState, findings: Sequence[Finding]) -> dict[str, str]:
    """The questions that everybody asks, answered in a sentence each."""
    from kprov.provision.cluster.condition.judgement import cost_of_loss, is_bare, is_highly_available

    if is_bare(state):
        return {
            "healthy": "NO: there is no cluster on these machines yet",
            "highly available": "NO",
            "next loss costs": "nothing",
            **dict.fromkeys(("etcd", "API servers", "leaders", "nodes", "releases"), "none yet"),
            "first to expire": "nothing",
            "not in inventory": "nothing",
            "drift": _drift(state),
        }
    worst = findings[0].severity if findings else "note"
    healthy = {"broken": "NO", "degraded": "it works, but not everything is as it should be"}.get(str(worst), "yes")
    costs = {m.name: cost for m in state.machines if m.answers and (cost := cost_of_loss(state, m))}
    loss = "; ".join(f"{name}: {', '.join(cost)}" for name, cost in costs.items())
    ready, nodes = state.ready_api_servers, state.nodes
    first = state.first_to_end
    strangers = [n.name for n in nodes or () if not n.in_inventory]
    strangers += [m.host for m in state.etcd.members if m.state == "stranger"]
    releases = sorted({m.release or "none" for m in state.machines if m.answers})
    return {
        "healthy": healthy,
        "highly available": "yes: any one machine may be lost" if is_highly_available(state) else "NO",
        "next loss costs": loss or ("nothing that the cluster can't do without" if ready else "nothing more"),
        "etcd": verdict(state.etcd),
        "API servers": f"{len(ready)} of {len(state.api)} are ready",
        "leaders": ", ".join(f"{name}: {leader or 'NOBODY'}" for name, leader in state.leaders.items()) or "unknown",
        "nodes": "unknown" if nodes is None else f"{sum(node.is_ready for node in nodes)} of {len(nodes)} are ready",
        "releases": ", ".join(releases) or "unknown",
        "first to expire": f"{first.name} of {first.host}, in {first.days_left} days" if first else "unknown",
        "not in inventory": ", ".join(strangers) or "nothing",
        "drift": _drift(state),
    }


def _drift(state: ClusterState) -> str:
    compared = state.comparison
    if compared is None:
        return "not known, nothing was compared yet: kprov status --drift"
    when = f"by {compared.command} of {in_words(round(compared.seconds))} ago"
    if compared.found:
        count = "1 thing" if len(compared.found) == 1 else f"{len(compared.found)} things"
        said = f"{count} on {', '.join(compared.hosts)}, {when}"
    else:
        said = f"none, {when}"
    absent = f", without {', '.join(compared.left_out)}" if compared.left_out else ""
    return f"{said}{absent} (--drift compares now)" if compared.seconds > _FRESH else said + absent


def _machines(state: ClusterState) -> str:
    from kprov.provision.cluster.condition.judgement import is_bare

    bare = is_bare(state)
    header = ["MACHINE", "ROLES", "ANSWERS", "UNITS", "ETCD", "API", "NODE", "DISK", "UP"]
    etcd = {member.host: member.state for member in state.etcd.members if not bare}
    api = {} if bare else state.api
    nodes = {node.name: node for node in state.nodes or ()}
    rows = []
    for machine in state.machines:
        node = nodes.get(machine.name)
        ready = "-" if node is None else ("ready" if node.is_ready else "NOT READY")
        if node is not None and node.is_cordoned:
            ready += ", cordoned"
        running = sum(unit.runs for unit in machine.units)
        rows.append(
            [
                machine.name,
                ",".join(group for group in ("etcd", "control_plane", "node") if group in machine.groups),
                "yes" if machine.answers else "NO",
                f"{running}/{len(machine.units)}" if machine.answers else "-",
                etcd.get(machine.name, "-"),
                "-" if machine.name not in api else ("NOT READY" if api[machine.name] else "ready"),
                ready,
                f"{max(machine.disks.values()):.0f}%" if machine.disks else "-",
                _duration(machine),
            ]
        )
    return table(header, rows)


def _duration(machine: MachineState) -> str:
    if not machine.answers:
        return "-"
    seconds = machine.uptime
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def explanation(findings: Sequence[Finding]) -> str:
    """What is wrong, what it means, and what mends it."""
    if not findings:
        return "nothing is wrong"
    lines: list[str] = []
    for number, finding in enumerate(findings, 1):
        lines.append(f"{number}. {finding.severity}: {finding.where}: {finding.what}")
        lines += [f"     {line}" for line in finding.why.splitlines()]
        if finding.mend:
            lines.append(f"   mend it: {finding.mend}")
    return "\n".join(printable(line) for line in lines)
