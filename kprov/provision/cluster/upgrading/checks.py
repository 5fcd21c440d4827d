"""What must hold before an upgrade: the whole path is looked at before the first change, all problems told at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kprov.provision.bundle.errors import BundleError
from kprov.provision.cluster.artifacts import debian_release, package_names
from kprov.provision.cluster.canary import sick_api_servers
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.nodes.drain import DrainOptions, DrainRefused, refuse_losses
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.storage.standing import look_at_etcd
from kprov.provision.inventory import Host
from kprov.provision.kubeapi import nodes


class NotFit(ClusterError):
    """The cluster can't be upgraded now; ``problems`` lists everything that is in the way. Nothing was changed."""

    noun = "obstacle"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"{len(problems)} things are in the way of an upgrade")
        self.problems = list(problems)


def wanted_releases(context: Context, hosts: Sequence[Host]) -> dict[str, str]:
    """By machine: the release of the bundle for its Debian.

    Raises: NotFit, where the bundle lacks something.
    """
    assert context.bundle is not None
    wanted, problems = {}, []
    for host in hosts:
        try:
            debian = debian_release(context, host)
            wanted[host.name] = context.bundle.release_for(debian).version
            context.bundle.packages(debian, package_names(host))
        except BundleError as error:
            problems.append(f"{host.name}: {error}")
    if problems:
        raise NotFit(problems)
    return wanted


def skew_problem(name: str, now: str, wanted: str) -> str:
    """What is wrong with a machine's way from one release to another; "" where nothing is.

    As upstream has it for a control plane: never backwards, and over no minor release.
    """
    old, new = _numbers(now), _numbers(wanted)
    if not old or not new or old == new:
        return ""
    if new < old:
        return f"{name} runs {now}, which is newer than {wanted}: to go back to what it ran before: --rollback"
    if new[0] != old[0] or new[1] - old[1] > 1:
        return f"{name} runs {now}: {wanted} skips a minor release; upgrade to each one in between first"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(part) for part in found.groups()) if found else ()


@dataclass(frozen=True, slots=True)
class Sick:
    """What of the control plane is not well.

    Attributes:
        members: by machine: what is wrong with its member of etcd; "etcd" stands for all of it.
        api_servers: by machine: what is wrong with its API server.
    """

    members: Mapping[str, str]
    api_servers: Mapping[str, str]

    @property
    def machines(self) -> set[str]:
        """Where something is wrong."""
        return {*self.members, *self.api_servers}

    def problems(self, besides: Collection[str] = ()) -> list[str]:
        """Why the cluster can't take the loss of one machine now, which every step is.

        Args: ``besides`` are machines that what is done may mend: what is wrong there is no reason against it.
        """
        members = [f"{name}: {why}" for name, why in self.members.items() if name not in besides]
        found = [f"etcd is not well ({'; '.join(members)}): see kprov etcd status"] if members else []
        return found + [
            f"the API server of {name} is not ready: {why}"
            for name, why in self.api_servers.items()
            if name not in besides
        ]


def sick_of(context: Context) -> Sick:
    """Look at every member of etcd and every API server."""
    state = look_at_etcd(context.engine, context.inventory.group("etcd"))
    members = {
        each.host: f"{each.state} {each.reason} {' '.join(each.alarms)}".strip()
        for each in state.members
        if not each.is_healthy or each.alarms or each.state == "stranger"
    }
    if not state.has_quorum and not members:
        members["etcd"] = "it has no leader"
    return Sick(members, sick_api_servers(context, context.inventory.group("control_plane")))


def node_problems(context: Context, hosts: Sequence[Host], drain: DrainOptions | None) -> list[str]:
    """Nodes that are not Ready, and pods that would be lost. One that was left in the middle is awaited."""
    problems = []
    for host in hosts:
        node = nodes.find_node(context.api, host.name)
        if node is None:
            problems.append(f"{host.name} is no node of the cluster: kprov node add {host.name}")
            continue
        if not nodes.is_ready(node) and not nodes.cordoned_for(node):
            problems.append(f"{host.name} is not Ready: see kubectl describe node {host.name}")
        if drain is not None:
            try:
                refuse_losses(context.api, host.name, drain.guards)
            except DrainRefused as error:
                problems.append(str(error))
    return problems
