"""Brings kprov's daemons to the machines, beside what runs there; switches to them; removes those that are long gone.

No machine is switched whose way back is not noted, whichever command switches it.
"""

from __future__ import annotations

from contextlib import suppress

from kprov.provision.cluster.artifacts import CURRENT, RELEASES, Task, daemons_of, debian_release
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.upgrading.way_back import PREVIOUS, keep_way_back, releases_of
from kprov.provision.engine.result import TaskFailed
from kprov.provision.inventory import Host


def lay_release(context: Context, hosts: list[Host]) -> None:
    """Lay kprov's daemons beside the release that runs; nothing runs them yet."""
    context.engine.module_all({host.name: _laying(context, host)[0] for host in hosts})


def _laying(context: Context, host: Host) -> tuple[list[Task], str]:
    """The steps, and the release's name."""
    release = context.bundle.release_for(debian_release(context, host))
    steps: list[Task] = [
        ("file", {"path": RELEASES, "state": "directory", "mode": "0755", "owner": "root", "group": "root"})
    ]
    for archive in release.archives:
        dest = f"{RELEASES}/{release.version}"
        steps.append(("unarchive", {"src": str(archive.path), "dest": dest, "sha256": archive.sha256}))
    return steps, release.version


def install_release(context: Context, hosts: list[Host]) -> None:
    """Lay kprov's daemons beside the release that runs, and switch to them; remove the oldest."""
    engine, kept = context.engine, context.inventory.cluster.releases_kept
    _keep_ways_back(context, hosts)
    hosts = engine.alive(hosts)
    with engine.phase("Install the daemons", hosts):
        tasks: dict[str, list[Task]] = {}
        for host in hosts:
            steps, release = _laying(context, host)
            old = {"path": RELEASES, "keep": kept, "links": [CURRENT, PREVIOUS], "names": [release]}
            tasks[host.name] = [
                *steps,
                ("file", {"path": CURRENT, "src": f"{RELEASES}/{release}", "state": "link"}),
                ("old_releases", {**old, "_title": "Releases that nobody goes back to"}),
            ]
        for name, results in engine.module_all(tasks).items():
            *_, switched, _ = results
            if switched.changed and engine.facts[name].get("kprov_release"):
                context.stale_services.setdefault(name, set()).update(daemons_of(context.inventory.hosts[name]))


def _keep_ways_back(context: Context, hosts: list[Host]) -> None:
    """Before machines are switched by a command that has not noted what they run: note it, and say what it does."""
    engine = context.engine
    running = {host.name: str(engine.facts[host.name].get("kprov_release") or "") for host in hosts}
    wanted = {host.name: _laying(context, host)[1] for host in hosts}
    due = [
        host
        for host in hosts
        if running[host.name] not in ("", wanted[host.name])
        and host.name not in context.ways_back
        and not engine.compares(host)
    ]
    if not due:
        return
    switches: dict[tuple[str, str], list[str]] = {}
    for host in due:
        switches.setdefault((running[host.name], wanted[host.name]), []).append(host.name)
    for (now, to), names in switches.items():
        engine.warn(
            f"{', '.join(names)}: kprov's daemons go from {now} to {to} with pods where they are, and no canary: "
            "kprov upgrade does that. The way back is the same: kprov upgrade --rollback"
        )
    with engine.phase("Lay the release beside the one that runs", due):
        lay_release(context, due)
    if due := engine.alive(due):
        with suppress(TaskFailed):  # it was told, and that machine is left as it is
            keep_way_back(context, due, releases_of(context, engine.alive()), wanted)
