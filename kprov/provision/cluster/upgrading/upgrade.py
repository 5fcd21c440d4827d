"""The upgrade: control plane one by one, then workers in batches behind a canary; each with a way back.

What is left to do goes by what is found on the machines and at their Nodes, so it can be killed anywhere and run again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kprov.provision.cluster.artifacts import missing_packages
from kprov.provision.cluster.canary import api_servers_answer, etcd_answers, kubelets_answer
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.joining import wait_for_nodes
from kprov.provision.cluster.nodes.drain import DrainExpired, DrainOptions, DrainRefused
from kprov.provision.cluster.nodes.emptying import Emptying
from kprov.provision.cluster.pace import Pace, run_phases
from kprov.provision.cluster.phase import ClusterError, PhaseTime
from kprov.provision.cluster.preflight import preflight
from kprov.provision.cluster.releases import lay_release
from kprov.provision.cluster.restarts import stale_units
from kprov.provision.cluster.up import UP
from kprov.provision.cluster.upgrading.checks import (
    NotFit,
    Sick,
    node_problems,
    sick_of,
    skew_problem,
    wanted_releases,
)
from kprov.provision.cluster.upgrading.way_back import (
    Releases,
    go_back,
    keep_way_back,
    machines_to_bring_back,
    releases_of,
)
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
        switched: the machines that get another release, not packages alone, filled in.
    """

    drain: DrainOptions | None
    serial: Serial
    rollback: bool
    tell: Callable[[str], None]
    times: list[PhaseTime] = field(default_factory=list)
    switched: set[str] = field(default_factory=set)

    def run(self, context: Context, hosts: Sequence[Host]) -> None:
        """Do it.

        Raises:
            NotFit: something is in the way; nothing was changed.
            UpgradeFailed: a machine did not become healthy.
        """
        engine = context.engine
        wanted = {} if self.rollback else wanted_releases(context, hosts)
        found = releases_of(context, hosts)
        if self.rollback:
            due = machines_to_bring_back(context, hosts, found, in_the_middle(context))
        else:
            due = self._due(context, hosts, found, wanted)
        if not due:
            there = "what it ran before the last upgrade" if self.rollback else "this release"
            packages = "" if self.rollback else ", with the packages of this bundle"
            self.tell(f"every machine runs {there} already{packages}")
            return
        sick = sick_of(context)
        problems = self._in_the_way_back(context, due, sick) if self.rollback else []
        if not self.rollback:
            problems += [skew_problem(host.name, found.now.get(host.name, ""), wanted[host.name]) for host in due]
            problems += [str(each) for each in preflight(context.inventory, list(hosts), engine.facts, {})]
            problems += [*sick.problems(), *node_problems(context, due, self.drain)]
        if problems := [problem for problem in problems if problem]:
            raise NotFit(problems)
        order = self._batches(due, sick.machines)
        to = found.goals if self.rollback else wanted
        for index, batch in enumerate(order):
            names = ", ".join(host.name for host in batch)
            goals = " and ".join(dict.fromkeys(to.get(host.name) or "what it runs" for host in batch))
            self.tell(f"batch {index + 1} of {len(order)}: {names} to {goals}")
        if engine.check:
            return
        if not self.rollback:
            with engine.phase("Lay the release beside the one that runs", due):
                lay_release(context, due)
            lost = [host.name for host in due if host not in engine.alive(due)]
            if lost:
                raise UpgradeFailed(f"{', '.join(lost)}: the new release can't be laid down; nothing was switched")
            try:
                keep_way_back(context, due, found, wanted)
            except TaskFailed as error:
                raise UpgradeFailed(f"{error}; nothing was switched") from error
        for index, batch in enumerate(order):
            rest = [host.name for later in order[index + 1 :] for host in later]
            self._one_batch(context, batch, to, rest)

    def _due(self, context: Context, hosts: Sequence[Host], found: Releases, wanted: dict[str, str]) -> list[Host]:
        """The machines that have anything left to do."""
        now = found.now
        stale = stale_units(context, list(hosts))
        packages = missing_packages(context, list(hosts))
        cut_off = in_the_middle(context)
        self.switched = {host.name for host in hosts if now.get(host.name) != wanted[host.name]} | cut_off
        return [
            host
            for host in hosts
            if now.get(host.name) != wanted[host.name]
            or stale.get(host.name)
            or packages.get(host.name)
            or host.name in cut_off
        ]

    def _in_the_way_back(self, context: Context, due: Sequence[Host], sick: Sick) -> list[str]:
        """What the way back can't mend. Pods of a kubelet that is not well are left where they are."""
        problems = sick.problems(besides=[host.name for host in due])
        if self.drain is not None:
            well = ready_nodes(context)
            problems += node_problems(context, [host for host in due if host.name in well], self.drain)
        return problems

    def _batches(self, due: Sequence[Host], sick: Collection[str] = ()) -> list[list[Host]]:
        """Upwards the control plane goes first, downwards last: no kubelet is newer than the API that it speaks to.

        Downwards, a machine of the control plane that is sick goes before all others: while it is, no other may be
        touched.
        """
        keepers = [[host] for host in due if {"etcd", "control_plane"} & set(host.groups)]
        workers = [host for host in due if [host] not in keepers]
        cut = batches(self.serial or CANARY_FIRST, workers) if workers else []
        if not self.rollback:
            return [*keepers, *cut]
        first = [batch for batch in keepers if batch[0].name in sick]
        return [*first, *cut, *(batch for batch in keepers if batch not in first)]

    def _one_batch(self, context: Context, batch: list[Host], to: dict[str, str], rest: Sequence[str]) -> None:
        names = ", ".join(host.name for host in batch)
        untouched = f"\nLeft untouched: {', '.join(rest)}" if rest else ""
        context.limit = frozenset(host.name for host in batch)
        try:
            with self._without_pods(context, batch):
                if self.rollback:
                    go_back(context, batch, to)
                    self._healthy(context, batch)
                    return
                try:
                    self.times += run_phases(context, UP, Pace())
                    lost = [host.name for host in batch if host not in context.engine.alive(batch)]
                    if lost:
                        raise ClusterError(f"{', '.join(lost)} did not get through it: see above")
                    self._healthy(context, batch)
                except _TROUBLE as error:
                    raise UpgradeFailed(f"{names}: {error}\n{self._back(context, batch)}{untouched}") from error
        except UpgradeFailed:
            raise
        except (DrainExpired, DrainRefused) as error:
            as_before = f"\nNot switched, and given pods as before: {names}"
            raise UpgradeFailed(f"{names}: {error}{as_before}{untouched}") from error
        except _TROUBLE as error:
            raise UpgradeFailed(f"{names}: {error}{untouched}") from error
        finally:
            context.limit = None

    def _back(self, context: Context, batch: Sequence[Host]) -> str:
        """Take the way back. Returns what came of it."""
        self.tell(f"{', '.join(host.name for host in batch)}: going back to the release before")
        gone = [host.name for host in batch if context.engine.state[host.name].state == "unreachable"]
        back = [host for host in batch if host.name not in gone]
        for host in back:
            context.engine.forgive(host)
        try:
            ours = [host for host in back if host.name in self.switched]
            went = go_back(context, ours, releases_of(context, ours).before)
            self._healthy(context, back)
        except _TROUBLE as error:
            return f"the way back failed, too: {error}"
        said = f"back with the release before, and healthy: {', '.join(host.name for host in went)}" if went else ""
        said = said or "the release was the same before; packages of Debian are not taken back"
        return said + (f"; out of reach: {', '.join(gone)}" if gone else "")

    @contextmanager
    def _without_pods(self, context: Context, batch: Sequence[Host]) -> Iterator[None]:
        """Machines that take no new pods, and are empty if that is wanted. Whatever happens, they take pods again.

        One that a person has cordoned stays so. On the way back, an API that does not answer keeps nobody from it.
        """
        ours: list[Host] = []
        try:
            try:
                self._cordon(context, batch, ours)
                well = ready_nodes(context) if self.rollback else {host.name for host in batch}
                emptied = [host for host in batch if host.name in well]
            except ClusterApiError as error:
                if error.code or not self.rollback:
                    raise
                self.tell(f"no pods are moved away, since no API server answers: {error}")
                ours, emptied = list(batch), []
            if self.drain is not None and emptied:
                emptying = Emptying(self.drain)
                with ThreadPoolExecutor(max_workers=min(8, len(emptied))) as pool:
                    list(pool.map(lambda host: emptying.drain(context, host), emptied))
            yield
        finally:
            self._give_back(context, ours)

    def _cordon(self, context: Context, batch: Sequence[Host], ours: list[Host]) -> None:
        with context.engine.phase("Cordon", list(batch)) as phase:
            for host in batch:
                node = nodes.find_node(context.api, host.name)
                mine = node is not None and (not nodes.is_cordoned(node) or nodes.cordoned_for(node) == WORK)
                if mine:
                    ours.append(host)
                    nodes.cordon(context.api, host.name, WORK)
                phase.record(host, "Takes no new pods", changed=mine)

    def _give_back(self, context: Context, hosts: Sequence[Host]) -> None:
        """Undo the cordon, and only ours: a person may have cordoned one meanwhile, or before nobody could look."""
        wait = Wait(
            "the API to take nodes back", "ready", context.engine.timeouts, context.engine.waiting, ClusterError
        )
        with context.engine.phase("Uncordon", list(hosts)) as phase:
            for host in hosts:
                while True:
                    try:
                        node = nodes.find_node(context.api, host.name)
                        ours = node is not None and nodes.cordoned_for(node) == WORK
                        if ours:
                            nodes.uncordon(context.api, host.name)
                        break
                    except ClusterApiError as error:
                        wait.longer(str(error))
                phase.record(host, "Takes new pods", changed=ours)

    def _healthy(self, context: Context, batch: list[Host]) -> None:
        """Wait until machines are well again. Raises ClusterError."""
        etcd_answers(context, [host for host in batch if "etcd" in host.groups])
        api_servers_answer(context, [host for host in batch if "control_plane" in host.groups])
        kubelets_answer(context, batch)
        wait_for_nodes(context, batch)


def in_the_middle(context: Context) -> set[str]:
    """The names of machines that are cordoned for an upgrade; none where no API server answers."""
    return {node["metadata"]["name"] for node in _nodes(context) if nodes.cordoned_for(node) == WORK}


def ready_nodes(context: Context) -> set[str]:
    """The names of the nodes that are Ready; none where no API server answers."""
    return {node["metadata"]["name"] for node in _nodes(context) if nodes.is_ready(node)}


def _nodes(context: Context) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = context.api.request("GET", "/api/v1/nodes")["items"]
    except ClusterApiError as error:
        if error.code:
            raise
        return []
    return found
