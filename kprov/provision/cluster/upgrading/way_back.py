"""The way back of a machine: which release it ran before, and the files that told its daemons how to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kprov.provision.cluster.artifacts import CURRENT, RELEASES, daemons_of
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.restarts import restart_stale_services
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
_DEBIANS = ("containerd",)


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

    Returns: those that had one.

    Raises:
        ClusterError: a daemon does not come back.
        TaskFailed: a machine can't be changed.
    """
    engine = context.engine
    for host in hosts:
        engine.forgive(host)
    before, now = releases(context, hosts, PREVIOUS), releases(context, hosts)
    back = [host for host in hosts if before.get(host.name) and before[host.name] != now.get(host.name)]
    with engine.phase("Go back to the release before", back):
        calls = {
            host.name: [
                ("baseline", {"dest": _KEPT, "state": "restored", "_title": "Configuration of before"}),
                ("file", {"path": CURRENT, "src": f"{RELEASES}/{before[host.name]}", "state": "link"}),
                ("systemd", {"daemon_reload": True}),
            ]
            for host in back
        }
        restarted = {}
        for name, results in engine.module_all(calls).items():
            for result in results:
                result.raise_if_failed()
            paths = " ".join(results[0].get("restored") or ())
            units = [("systemd", {"name": unit, "state": "reloaded"}) for unit in _RELOADED if unit in paths]
            units += [("systemd", {"name": unit, "state": "restarted"}) for unit in _DEBIANS if unit in paths]
            if units:
                restarted[name] = units
        for results in engine.module_all(restarted).values():
            for result in results:
                result.raise_if_failed()
    if not engine.check:
        restart_stale_services(context, back)
    return back


def refuse_no_way_back(context: Context, hosts: Sequence[Host]) -> list[Host]:
    """The machines that have a release to go back to.

    Raises:
        ClusterError: none has.
    """
    before, now = releases(context, hosts, PREVIOUS), releases(context, hosts)
    found = [host for host in hosts if before.get(host.name) and before[host.name] != now.get(host.name)]
    if not found:
        raise ClusterError(
            f"no machine has another release to go back to: {PREVIOUS} is written by kprov upgrade, and gone where the "
            "machine has gone back already"
        )
    return found
