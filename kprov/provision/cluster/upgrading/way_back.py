"""The way back of a machine: which release it ran before, and the files that told its daemons how to run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Releases:
    """What machines run, and what they ran before; "" where there is none, no entry for one that can't be asked.

    Attributes:
        now: by machine.
        before: by machine, what it ran before its last upgrade began.
    """

    now: Mapping[str, str]
    before: Mapping[str, str]

    @property
    def goals(self) -> dict[str, str]:
        """By machine: where the way back leads it; "" for nowhere.

        A machine that runs what another one goes back to, or has gone back to, was not reached by the upgrade that is
        undone, and stays: what it ran before is of an earlier upgrade.
        """
        ends = {*self.before.values()} - {""}
        return {name: run if run in ends else self.before.get(name, "") for name, run in self.now.items()}

    def is_within(self, name: str) -> bool:
        """Whether a machine was switched by an upgrade that did not reach all: some run what it ran before."""
        before = self.before.get(name, "")
        return before not in ("", self.now.get(name)) and before in self.now.values()


def releases_of(context: Context, hosts: Sequence[Host]) -> Releases:
    """Ask machines for their releases."""
    asked = [("stat", {"path": link, "_quiet": True}) for link in (CURRENT, PREVIOUS)]
    found = context.engine.module_all({host.name: asked for host in hosts})
    links = {
        name: [str(each["stat"].get("lnk_source") or "").removeprefix(f"{RELEASES}/") for each in answers]
        for name, answers in found.items()
        if not any(each.failed for each in answers)
    }
    return Releases({name: now for name, (now, _) in links.items()}, {name: old for name, (_, old) in links.items()})


def keep_way_back(context: Context, hosts: Sequence[Host], found: Releases, wanted: Mapping[str, str]) -> None:
    """Note how machines run now, all of them before the first is switched.

    So those that the upgrade does not get to have nowhere to go back to. A machine that was switched by an upgrade
    which did not end keeps the notes of before that. The link comes first: killed after it, a machine has nothing to go
    back to, and its files are noted by the run that goes on.

    Args:
        found: what they run.
        wanted: by machine, what they are to run.

    Raises: TaskFailed.
    """
    with context.engine.phase("Keep the way back", hosts):
        context.ways_back.update(host.name for host in hosts)
        calls = {}
        for host in hosts:
            now = found.now.get(host.name)
            if now and now != wanted[host.name] and not found.is_within(host.name):
                calls[host.name] = [
                    ("file", {"path": PREVIOUS, "src": f"{RELEASES}/{now}", "state": "link"}),
                    ("file", {"path": _KEPT, "state": "absent"}),
                    ("baseline", {"dest": _KEPT, "paths": _files(host), "after": f"{_KEPT}/none"}),
                ]
        for results in context.engine.module_all(calls).values():
            for result in results:
                result.raise_if_failed()


def go_back(context: Context, hosts: Sequence[Host], goals: Mapping[str, str]) -> list[Host]:
    """Bring machines back to the release that they ran before, and its configuration; restart what runs the other.

    One that was killed on its way back has the links of before already, and daemons of the other release: these are
    restarted, too.

    Args: ``goals``: by machine, the release.

    Returns: those that had a release to go back to.

    Raises:
        ClusterError: a daemon does not come back.
        TaskFailed: a machine can't be changed.
    """
    engine = context.engine
    for host in hosts:
        engine.forgive(host)
    now = releases_of(context, hosts).now
    back = [host for host in hosts if goals.get(host.name)]
    switched = [host for host in back if goals[host.name] != now.get(host.name)]
    with engine.phase("Go back to the release before", switched):
        calls = {
            host.name: [
                ("baseline", {"dest": _KEPT, "state": "restored", "_title": "Configuration of before"}),
                ("file", {"path": CURRENT, "src": f"{RELEASES}/{goals[host.name]}", "state": "link"}),
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


def machines_to_bring_back(
    context: Context, hosts: Sequence[Host], found: Releases, in_the_middle: Collection[str]
) -> list[Host]:
    """The machines that have a release to go back to, or that a run has left on their way.

    Args:
        found: what they run, and ran before.
        in_the_middle: those that are cordoned for an upgrade which did not end.

    Raises:
        ClusterError: there has been no upgrade.
    """
    if not any(found.before.values()):
        raise ClusterError(
            f"no machine has a release to go back to: {PREVIOUS} is written when kprov's daemons are exchanged for "
            "others, and they have not been"
        )
    goals, stale = found.goals, stale_units(context, list(hosts))
    return [
        host
        for host in hosts
        if host.name in in_the_middle
        or (goals.get(host.name) and goals[host.name] != found.now.get(host.name))
        or (goals.get(host.name) and daemons_of(host) & set(stale.get(host.name) or ()))
    ]
