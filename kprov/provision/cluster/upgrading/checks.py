"""What must hold before an upgrade: the whole path is looked at before the first change, all problems told at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kprov.provision.bundle.errors import BundleError
from kprov.provision.cluster.artifacts import debian_release, package_names
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.nodes.drain import DrainOptions, DrainRefused, refuse_losses
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.storage.standing import look_at_etcd
from kprov.provision.inventory import Host
from kprov.provision.kubeapi import nodes
from kprov.provision.kubeapi.client import ClusterApiError


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


def cluster_problems(context: Context) -> list[str]:
    """Why the cluster can't take the loss of one machine now, which every step of an upgrade is."""
    problems = []
    members = context.inventory.group("etcd")
    state = look_at_etcd(context.engine, members)
    if not state.is_well:
        sick = "; ".join(
            f"{each.host}: {each.state} {each.reason} {' '.join(each.alarms)}".strip()
            for each in state.members
            if not each.is_healthy or each.alarms or each.state == "stranger"
        )
        problems.append(f"etcd is not well ({sick or 'it has no leader'}): see kprov etcd status")
    for host in context.inventory.group("control_plane"):
        api = context.api_of(host)
        try:
            api.request("GET", "/readyz")
        except ClusterApiError as error:
            problems.append(f"the API server of {host.name} is not ready: {error}")
        finally:
            api.close()
    return problems


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
