"""What is wrong with the machines of a cluster, by what each says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.provision.cluster.condition.cluster import ClusterState
from kprov.provision.cluster.condition.finding import Finding, Severity
from kprov.provision.cluster.condition.machine import MachineState
from kprov.provision.cluster.preflight.checks import MAXIMUM_CLOCK_OFFSET_SECONDS

FULL = 85.0
"""Percent of a disk: kubelets begin to evict at 90, and etcd stops writing at its end."""
CLOCK = 5.0
"""Seconds; a busy machine that answers late seems to be one or two off."""
_RESTARTS = 5


def silent_machines(state: ClusterState, inventory: str) -> Iterator[Finding]:
    """The machines that do not answer."""
    for machine in state.machines:
        if not machine.answers:
            yield Finding(
                severity=Severity.DEGRADED,
                where=machine.name,
                what="does not answer",
                why=machine.reason,
                mend="switch it on; is it gone for good: give another machine its name and address, then "
                f"kprov node replace {machine.name} -i {inventory}",
            )


def of_machines(state: ClusterState, inventory: str) -> Iterator[Finding]:
    """What is wrong with the machines: who does not answer, and what the others say of themselves."""
    yield from silent_machines(state, inventory)
    explained = {(member.host, "etcd") for member in state.etcd.members if member.state == "removed"}
    for machine in state.machines:
        if not machine.answers:
            continue
        for unit in machine.units:
            if (machine.name, unit.name) in explained:
                continue
            if not unit.runs:
                yield Finding(
                    severity=Severity.DEGRADED,
                    where=machine.name,
                    what=f"{unit.name} does not run: {unit.state}"
                    + (f" ({unit.result})" if unit.result not in ("", "success") else ""),
                    why=unit.said,
                    mend=f"journalctl -u {unit.name} on it; then kprov up -i {inventory} --limit {machine.name}",
                )
            elif not unit.is_enabled:
                yield Finding(
                    severity=Severity.NOTE,
                    where=machine.name,
                    what=f"{unit.name} does not start at boot",
                    why="somebody changed it by hand",
                    mend=f"kprov up -i {inventory}",
                )
            elif unit.restarts > _RESTARTS:
                yield Finding(
                    severity=Severity.NOTE,
                    where=machine.name,
                    what=f"{unit.name} was started {unit.restarts} times over by systemd",
                    mend=f"journalctl -u {unit.name} on it says why",
                )
        yield from _what_runs_in_vain(machine, inventory)
        for folder, used in machine.disks.items():
            if used >= FULL and (folder == "/" or machine.disks.get("/") != used):
                yield Finding(
                    severity=Severity.DEGRADED if used >= 95 else Severity.NOTE,
                    where=machine.name,
                    what=f"its disk is {used:.0f} % full ({folder})",
                    why="pods are evicted at 90 %, and etcd ends with its disk",
                    mend=f"on it: du -xh {folder} | sort -h | tail says where it went; journalctl --vacuum-size=500M "
                    "and apt-get clean make room; or a larger disk",
                )
        if abs(machine.clock_offset) > CLOCK:
            yield Finding(
                severity=Severity.NOTE
                if abs(machine.clock_offset) <= MAXIMUM_CLOCK_OFFSET_SECONDS
                else Severity.DEGRADED,
                where=machine.name,
                what=f"its clock is {machine.clock_offset:+.1f} s off this computer's",
                why="leases, tokens and certificates go by the clock",
                mend="on it: timedatectl says whether it has a time service (apt-get install systemd-timesyncd); by "
                "hand: date -s",
            )


def _what_runs_in_vain(machine: MachineState, inventory: str) -> Iterator[Finding]:
    for name, why in machine.silent.items():
        unit = "kprov-node" if name == "DNS" else name
        yield Finding(
            severity=Severity.DEGRADED,
            where=machine.name,
            what="its DNS does not know the cluster" if name == "DNS" else f"{name} runs, and is not well",
            why=why,
            mend=f"journalctl -u {unit} on it; kprov exec -i {inventory} --limit {machine.name} "
            f"'systemctl restart {unit}'",
        )
    for unit in machine.flushed:
        effect = "Services are not reached from it" if unit == "kube-proxy" else "its pods do not reach the outside"
        yield Finding(
            severity=Severity.DEGRADED,
            where=machine.name,
            what=f"the nftables of {unit} are gone: somebody flushed them",
            why=effect,
            mend=f"{unit} writes them again within half a minute; see what flushes them: systemctl status nftables",
        )
