"""Runs the checks over all machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from kprov.provision.cluster.preflight.checks import HOST_CHECKS, Facts, Finding, Machine
from kprov.provision.inventory import Host, Inventory


def _twins(chosen: Mapping[str, Facts], others: Mapping[str, Facts]) -> Iterator[Finding]:
    """Machines that were cloned with their identity: containers and certificates would mix them up."""
    by_id: dict[str, list[str]] = defaultdict(list)
    for name, facts in [*others.items(), *chosen.items()]:
        by_id[str(facts.get("ansible_machine_id") or "")].append(name)
    for machine_id, names in by_id.items():
        if names[-1] not in chosen:
            continue
        if not machine_id:
            for name in (name for name in names if name in chosen):
                yield Finding(name, "has no /etc/machine-id", "Make one with: systemd-machine-id-setup")
        elif len(names) > 1:
            yield Finding(
                names[-1],
                f"has the same machine id as {', '.join(names[:-1])}: it is a clone, or the same machine twice",
                "Give it its own: rm /etc/machine-id; systemd-machine-id-setup; reboot",
            )


def preflight(
    inventory: Inventory,
    hosts: Iterable[Host],
    facts: Mapping[str, Facts],
    others: Mapping[str, Facts] | None = None,
) -> list[Finding]:
    """All that is wrong with the machines, machine by machine.

    Arguments: the inventory, the machines that are connected, and their facts; what is remembered of others, which the
    run is not for or which do not answer. Changes nothing.
    """
    chosen = list(hosts)
    findings = []
    for host in chosen:
        machine = Machine(host, facts[host.name], inventory.cluster)
        for check in HOST_CHECKS:
            findings += [Finding(host.name, message, remedy) for message, remedy in check(machine)]
    return [*findings, *_twins({host.name: facts[host.name] for host in chosen}, others or {})]
