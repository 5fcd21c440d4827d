"""The way back of a machine: which release it ran before, and the files that told its daemons how to run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kprov.provision.cluster.artifacts import CURRENT, RELEASES, daemons_of
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.restarts import restart_stale_services, stale_units
from kprov.provision.inventory import Host

PREVIOUS = "/opt/kprov/previous"
_KEPT = "/var/lib/kprov/way-back"
_FILES = (
    "/etc/containerd/config.toml",
    "/etc/haproxy/haproxy.cfg",
    "/etc/keepalived/keepalived.conf",
    "/etc/systemd/system/etcd.service",
    "/var/lib/kube-proxy/config.yaml",
    "/var/lib/kubelet/config.yaml",
)
_RELOADED = ("haproxy",)
_READ_ONCE = {"containerd": ["/etc/containerd/config.toml"]}
"""What is brought back besides, and read only when the daemon starts."""


def _files(host: Host) -> list[str]:
    return [*_FILES, *(f"/etc/systemd/system/{unit}.service" for unit in sorted(daemons_of(host)))]


def releases(context: Context, hosts: Sequence[Host], link: str = CURRENT) -> dict[str, str]:
    """By machine: the release that a link leads to; "" where there is none."""
    found = context.engine.module_all({host.name: ("stat", {"path": link, "_quiet": True}) for host in hosts})
    return {
        name: str(result["stat"].get("lnk_source") or "").removeprefix(f"{RELEASES}/")
        for name, result in found.items()
        if not result.failed
    }


def keep_way_back(context: Context, hosts: Sequence[Host], wanted: Mapping[str, str]) -> None:
    """Note how machines run now. One that a run before has switched already keeps the notes of before that.

    Raises: TaskFailed.
    """
    now = releases(context, hosts)
    with context.engine.phase("Keep the way back", hosts):
        calls = {}
        for host in hosts:
            if now.get(host.name) and now[host.name] != wanted[host.name]:
                calls[host.name] = [
                    ("file", {"path": _KEPT, "state": "absent"}),
                    ("baseline", {"dest": _KEPT, "paths": _files(host), "after": f"{_KEPT}/none"}),
                    ("file", {"path": PREVIOUS, "src": f"{RELEASES}/{now[host.name]}", "state": "link"}),
                ]
        for results in context.engine.module_all(calls).values():
            for result in results:
                result.raise_if_failed()


def go_back(context: Context, hosts: Sequence[Host]) -> list[Host]:
    """Bring machines back to the release that they ran before, and its configuration; restart what runs the other.

    One that was killed on its way back has the links of before already, and daemons of the other release: these are
    restarted, too.

    Returns: those that had a release to go back to.

    Raises:
        ClusterError: a daemon does not come back.
        TaskFailed: a machine can't be changed.
    """
    engine = context.engine
    for host in hosts:
        engine.forgive(host)
    before, now = releases(context, hosts, PREVIOUS), releases(context, hosts)
    back = [host for host in hosts if before.get(host.name)]
    switched = [host for host in back if before[host.name] != now.get(host.name)]
    with engine.phase("Go back to the release before", switched):
        calls = {
            host.name: [
                ("baseline", {"dest": _KEPT, "state": "restored", "_title": "Configuration of before"}),
                ("file", {"path": CURRENT, "src": f"{RELEASES}/{before[host.name]}", "state": "link"}),
                ("systemd", {"daemon_reload": True}),
            ]
            for host in switched
        }
        reloaded = {}
        for name, results in engine.module_all(calls).items():
            for result in results:
                result.raise_if_failed()
            paths = " ".join(results[0].get("restored") or ())
            units = [("systemd", {"name": unit, "state": "reloaded"}) for unit in _RELOADED if unit in paths]
            if units:
                reloaded[name] = units
        for results in engine.module_all(reloaded).values():
            for result in results:
                result.raise_if_failed()
    if not engine.check:
        restart_stale_services(context, back, _READ_ONCE)
        _be_ready_for_the_address(context, back)
    return switched


def _be_ready_for_the_address(context: Context, hosts: Sequence[Host]) -> None:
    """A run that was killed while the virtual address was elsewhere has left keepalived stopped."""
    if context.inventory.cluster.api_virtual_address:
        started = ("systemd", {"name": "keepalived", "state": "started", "no_block": True})
        context.engine.module_all({host.name: started for host in hosts if "control_plane" in host.groups})


def machines_to_bring_back(context: Context, hosts: Sequence[Host], in_the_middle: Collection[str]) -> list[Host]:
    """The machines that have a release to go back to, or that a run has left on their way.

    Args: ``in_the_middle`` are those that are cordoned for an upgrade which did not end.

    Raises:
        ClusterError: there are none.
    """
    before, now = releases(context, hosts, PREVIOUS), releases(context, hosts)
    stale = stale_units(context, list(hosts))
    found = [
        host
        for host in hosts
        if host.name in in_the_middle
        or (before.get(host.name) and before[host.name] != now.get(host.name))
        or (before.get(host.name) and daemons_of(host) & set(stale.get(host.name) or ()))
    ]
    if not found:
        raise ClusterError(
            f"no machine has another release to go back to: {PREVIOUS} is written by kprov upgrade, and gone where the "
            "machine has gone back already"
        )
    return found
