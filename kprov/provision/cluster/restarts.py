"""Restarts the daemons whose certificate or release was replaced, machine by machine, so that the cluster goes on."""

from __future__ import annotations

from kprov.provision.cluster.context import Context
from kprov.provision.inventory import Host


def restart_stale_services(context: Context, hosts: list[Host]) -> None:
    """Restart what still runs with the old one: one machine at a time, each unit ready before the next goes."""
    stale = {host.name: context.stale_services.get(host.name, set()) for host in hosts}
    affected = [host for host in hosts if stale[host.name]]
    if not affected:
        return
    with context.engine.phase("Restart daemons with new certificates or releases", affected):
        for host in affected:
            # what a role has just started or restarted is as new as it can be, but to know it costs more than this
            for unit in sorted(stale[host.name]):
                context.engine.module(host, "systemd", _title=f"Restart {unit}", name=unit, state="restarted")
