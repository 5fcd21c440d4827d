"""Restarts the daemons whose certificates were made anew, machine by machine, so that the cluster goes on."""

from __future__ import annotations

from kprov.provision.cluster.context import Context
from kprov.provision.inventory import Host


def restart_stale_services(context: Context, hosts: list[Host]) -> None:
    """Restart what still uses an old certificate: one machine at a time, each unit ready before the next goes."""
    stale = {host.name: context.stale_services.get(host.name, set()) for host in hosts}
    affected = [host for host in hosts if stale[host.name]]
    if not affected:
        return
    with context.engine.phase("Read new certificates", affected):
        for host in affected:
            for unit in sorted(stale[host.name]):
                context.engine.module(host, "systemd", _title=f"Restart {unit}", name=unit, state="restarted")
