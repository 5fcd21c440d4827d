"""The upgrade: control plane one by one, then workers in batches behind a canary; each with a way back.

What is left to do goes by what is found on the machines and at their Nodes, so it can be killed anywhere and run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from kprov.provision.cluster.artifacts import lay_release, missing_packages
from kprov.provision.cluster.canary import api_servers_answer, etcd_answers, kubelets_answer
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.joining import wait_for_nodes
from kprov.provision.cluster.nodes.drain import DrainOptions
from kprov.provision.cluster.nodes.emptying import Emptying
from kprov.provision.cluster.pace import Pace, run_phases
from kprov.provision.cluster.phase import ClusterError, PhaseTime
from kprov.provision.cluster.preflight import preflight
from kprov.provision.cluster.restarts import stale_units
from kprov.provision.cluster.up import UP
from kprov.provision.cluster.upgrading.checks import (
    NotFit,
    cluster_problems,
    node_problems,
    skew_problem,
    wanted_releases,
)
from kprov.provision.cluster.upgrading.way_back import go_back, keep_way_back, refuse_no_way_back, releases
from kprov.provision.engine.batches import Serial, batches
from kprov.provision.engine.result import TaskFailed
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host
from kprov.provision.kubeapi import nodes
from kprov.provision.kubeapi.client import ClusterApiError

WORK = "upgrade"
"""What a Node is cordoned for."""
CANARY_FIRST: list[int | str] = [1, "25%"]
_TROUBLE = (ClusterError, ClusterApiError, TaskFailed)


class UpgradeFailed(ClusterError):
    """A machine did not become healthy; it is said whether it went back, and which machines are untouched."""


@dataclass(slots=True)
class Upgrade:
    """Moves machines to the bundle's release, or back to the one before.

    Attributes:
        drain: how each machine is emptied first; None: not at all, pods go on running meanwhile.
        serial: batches of workers; the first is the canary.
        rollback: back to the release before.
        tell: told what a person should know.
        times: how long each part took, filled in.
    """

    drain: DrainOptions | None
    serial: Serial
    rollback: bool
    tell: Callable[[str], None]
    times: list[PhaseTime] = field(default_factory=list)

    def run(self, context: Context, hosts: Sequence[Host]) -> None:
        """Do it.

        Raises:
            NotFit: something is in the way; nothing was changed.
            UpgradeFailed: a machine did not become healthy.
        """
        engine = context.engine
        wanted = {} if self.rollback else wanted_releases(context, hosts)
        due = refuse_no_way_back(context, hosts) if self.rollback else self._due(context, hosts, wanted)
        if not due:
            self.tell("every machine runs this release already, with the packages of this bundle")
            return
        now = releases(context, hosts)
        problems = (
            []
            if self.rollback
            else [skew_problem(host.name, now.get(host.name, ""), wanted[host.name]) for host in due]
        )
        problems += [str(each) for each in preflight(context.inventory, list(hosts), engine.facts, {})]
        problems += [*cluster_problems(context), *node_problems(context, due, self.drain)]
        if problems := [problem for problem in problems if problem]:
            raise NotFit(problems)
        order = self._batches(due)
        for index, batch in enumerate(order):
            names = ", ".join(host.name for host in batch)
            to = "the release before" if self.rollback else wanted[batch[0].name]
            self.tell(f"batch {index + 1} of {len(order)}: {names} to {to}")
        if engine.check:
            return
        if not self.rollback:
            with engine.phase("Lay the release beside the one that runs", due):
                lay_release(context, due)
            lost = [host.name for host in due if host not in engine.alive(due)]
            if lost:
                raise UpgradeFailed(f"{', '.join(lost)}: the new release can't be laid down; nothing was switched")
        for index, batch in enumerate(order):
            rest = [host.name for later in order[index + 1 :] for host in later]
            self._one_batch(context, batch, wanted, rest)

    def _due(self, context: Context, hosts: Sequence[Host], wanted: dict[str, str]) -> list[Host]:
        """The machines that have anything left to do."""
        now = releases(context, hosts)
        stale = stale_units(context, list(hosts))
        packages = missing_packages(context, list(hosts))
        found = context.api.request("GET", "/api/v1/nodes")["items"]
        in_the_middle = {node["metadata"]["name"] for node in found if nodes.cordoned_for(node) == WORK}
        return [
            host
            for host in hosts
            if now.get(host.name) != wanted[host.name]
            or stale.get(host.name)
            or packages.get(host.name)
            or host.name in in_the_middle
        ]

    def _batches(self, due: Sequence[Host]) -> list[list[Host]]:
        """Upwards the control plane goes first, downwards last: no kubelet is newer than the API that it speaks to."""
        keepers = [[host] for host in due if {"etcd", "control_plane"} & set(host.groups)]
        workers = [host for host in due if [host] not in keepers]
        cut = batches(self.serial or CANARY_FIRST, workers) if workers else []
        return [*cut, *keepers] if self.rollback else [*keepers, *cut]

    def _one_batch(self, context: Context, batch: list[Host], wanted: dict[str, str], rest: Sequence[str]) -> None:
        names = ", ".join(host.name for host in batch)
        untouched = f"\nLeft untouched: {', '.join(rest)}" if rest else ""
        context.limit = frozenset(host.name for host in batch)
        try:
            with self._without_pods(context, batch):
                if self.rollback:
                    go_back(context, batch)
                    self._healthy(context, batch)
                    return
                try:
                    keep_way_back(context, batch, wanted)
                    self.times += run_phases(context, UP, Pace())
                    lost = [host.name for host in batch if host not in context.engine.alive(batch)]
                    if lost:
                        raise ClusterError(f"{', '.join(lost)} did not get through it: see above")
                    self._healthy(context, batch)
                except _TROUBLE as error:
                    raise UpgradeFailed(f"{names}: {error}\n{self._back(context, batch)}{untouched}") from error
        except UpgradeFailed:
            raise
        except _TROUBLE as error:
            raise UpgradeFailed(f"{names}: {error}{untouched}") from error
        finally:
            context.limit = None

    def _back(self, context: Context, batch: Sequence[Host]) -> str:
        """Take the way back. Returns what came of it."""
        self.tell(f"{', '.join(host.name for host in batch)}: going back to the release before")
        gone = [host.name for host in batch if context.engine.state[host.name].state == "unreachable"]
        back = [host for host in batch if host.name not in gone]
        try:
            went = go_back(context, back)
            self._healthy(context, back)
        except _TROUBLE as error:
            return f"the way back failed, too: {error}"
        said = f"back with the release before, and healthy: {', '.join(host.name for host in went)}" if went else ""
        said = said or "the release was the same before; packages of Debian are not taken back"
        return said + (f"; out of reach: {', '.join(gone)}" if gone else "")

    @contextmanager
    def _without_pods(self, context: Context, batch: Sequence[Host]) -> Iterator[None]:
        """Machines that take no new pods, and are empty if that is wanted. Whatever happens, they take pods again.

        One that a person has cordoned stays so.
        """
        ours = []
        try:
            with context.engine.phase("Cordon", list(batch)) as phase:
                for host in batch:
                    node = nodes.find_node(context.api, host.name)
                    mine = node is not None and (not nodes.is_cordoned(node) or nodes.cordoned_for(node) == WORK)
                    if mine:
                        ours.append(host)
                        nodes.cordon(context.api, host.name, WORK)
                    phase.record(host, "Takes no new pods", changed=mine)
            if self.drain is not None:
                emptying = Emptying(self.drain)
                with ThreadPoolExecutor(max_workers=min(8, len(batch))) as pool:
                    list(pool.map(lambda host: emptying.drain(context, host), batch))
            yield
        finally:
            self._give_back(context, ours)

    def _give_back(self, context: Context, hosts: Sequence[Host]) -> None:
        wait = Wait(
            "the API to take nodes back", "ready", context.engine.timeouts, context.engine.waiting, ClusterError
        )
        with context.engine.phase("Uncordon", list(hosts)) as phase:
            for host in hosts:
                while True:
                    try:
                        nodes.uncordon(context.api, host.name)
                        break
                    except ClusterApiError as error:
                        if error.code == 404:
                            break
                        wait.longer(str(error))
                phase.record(host, "Takes new pods", changed=True)

    def _healthy(self, context: Context, batch: list[Host]) -> None:
        """Wait until machines are well again. Raises ClusterError."""
        etcd_answers(context, [host for host in batch if "etcd" in host.groups])
        api_servers_answer(context, [host for host in batch if "control_plane" in host.groups])
        kubelets_answer(context, batch)
        wait_for_nodes(context, batch)
