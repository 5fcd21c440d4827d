"""A machine is taken out of the cluster: emptied, out of etcd, out of the API, and cleared of what kprov put there.

What is done goes by what is found, so it can be killed anywhere and run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.etcd_members import Door, etcdctl, members, peer_url
from kprov.provision.cluster.lost_members import forget_lost, remember_lost
from kprov.provision.cluster.nodes.drain import DrainOptions, refuse_losses
from kprov.provision.cluster.nodes.emptying import Emptying
from kprov.provision.cluster.nodes.knowing import keeps_the_cluster
from kprov.provision.cluster.nodes.quorum import Votes, refuse_to_lose
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.reset import reset_machines
from kprov.provision.cluster.storage.standing import look_at_etcd
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host
from kprov.provision.kubeapi import nodes
from kprov.provision.kubeapi.client import ClusterApiError


class RemovalRefused(ClusterError):
    """The machine can't be taken out as it was asked for. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Removal:
    """One machine that is taken out.

    Attributes:
        host: it.
        drain: how it is emptied.
        gone: it does not answer and will not come back: nothing is asked of it.
        clear: take off it what kprov put there.
        agree: told what will be lost; raises unless the person agrees.
        tell: told what a person should know.
    """

    host: Host
    drain: DrainOptions
    gone: bool
    clear: bool
    agree: Callable[[Sequence[str]], None]
    tell: Callable[[str], None]

    def run(self, context: Context) -> None:
        """Take it out of the cluster; what the others must know comes after this.

        Raises:
            RemovalRefused, QuorumError, DrainRefused: nothing was changed.
            ClusterError, ClusterApiError: it could not be done to the end; the same command goes on.
        """
        host, engine = self.host, context.engine
        answers = bool(engine.alive([host]))
        if not answers and not self.gone:
            raise RemovalRefused(
                f"{host.name} does not answer ({engine.state[host.name].reason or 'not connected'}), which is no "
                "reason to take it out. If it will not come back, say so: --gone"
            )
        if answers and self.gone:
            raise RemovalRefused(f"{host.name} answers, so it is not gone: leave --gone out, and it is emptied first")
        others = [each for each in context.inventory.group("control_plane") if each.name != host.name]
        if "control_plane" in host.groups and not others:
            raise RemovalRefused(
                f"{host.name} is the last machine of the control plane: add another one first (kprov node add), or "
                "take everything down with kprov reset"
            )
        warning = self._judge(context)
        node = nodes.find_node(context.api, host.name)
        if node is not None and not self.gone:
            refuse_losses(context.api, host.name, self.drain.guards)
        lost = [f"{host.name} as a machine of {context.inventory.cluster.cluster_name}"]
        lost += [f"its pods are moved{' only once they are deleted: nobody can ask them' if self.gone else ''}"]
        self.agree([*lost, warning] if warning else lost)
        if engine.check:
            return
        if node is not None and not self.gone:
            Emptying(self.drain).run(context, [host])
        if "etcd" in host.groups:
            self._leave_etcd(context)
        self._leave_api(context)
        if self.clear and not self.gone:
            reset_machines(context, [host])

    def _judge(self, context: Context) -> str:
        if "etcd" not in self.host.groups:
            return ""
        state = look_at_etcd(context.engine, context.inventory.group("etcd"))
        voters = {each.host: each for each in state.members if each.id and each.state not in ("learner", "no data")}
        healthy = frozenset(name for name, each in voters.items() if each.is_healthy)
        return refuse_to_lose(Votes(frozenset(voters), healthy), self.host.name)

    def _door(self, context: Context) -> Door:
        others = [host for host in context.inventory.group("etcd") if host.name != self.host.name]
        for host in context.engine.alive(others):
            if etcdctl(context.engine, Door(host), "endpoint", "health")[0]:
                return Door(host)
        raise ClusterError(f"no healthy member of etcd besides {self.host.name} can be asked: see kprov etcd status")

    def _leave_etcd(self, context: Context) -> None:
        host, engine = self.host, context.engine
        with engine.phase(f"Take {host.name} out of etcd", [host]) as phase:
            door = self._door(context)
            mine = [member for member in members(engine, door) if member.peer_url == peer_url(host)]
            wait = Wait(f"etcd to let go of {host.name}", "quorum", engine.timeouts, engine.waiting, ClusterError)
            for member in mine:
                fine, output = etcdctl(engine, door, "member", "remove", member.id)
                while not fine and "not found" not in output:
                    wait.longer(output.strip()[-300:])
                    fine, output = etcdctl(engine, door, "member", "remove", member.id)
            # Its data are of a member that is no more: should the machine come back with them, they are put aside.
            note = forget_lost if self.clear and not self.gone else remember_lost
            note(context.inventory.cluster.state_directory, [host.name])
            phase.record(host, "Member of etcd", changed=bool(mine))

    def _leave_api(self, context: Context) -> None:
        """Its daemons stop first: a kubelet would register the Node again."""
        host, engine = self.host, context.engine
        with engine.phase(f"Take {host.name} out of the API", [host]) as phase:
            units = ["kubelet"]
            if keeps_the_cluster(host):
                units += ["kube-scheduler", "kube-controller-manager", "kube-apiserver"]
            if engine.alive([host]):
                there = engine.module(host, "stat", path="/etc/systemd/system/kubelet.service", _quiet=True)
                if not there.failed and there["stat"]["exists"]:
                    for unit in units:
                        engine.module(
                            host, "systemd", name=unit, state="stopped", enabled=False, _title=f"{unit} runs no more"
                        ).raise_if_failed()
            phase.record(host, "Node", changed=_delete_node(context, host.name))


def _delete_node(context: Context, name: str) -> bool:
    """Delete a Node and its lease; an API server that goes just now is no reason to fail."""
    wait = Wait("the API to answer", "ready", context.engine.timeouts, context.engine.waiting, ClusterError)
    while True:
        try:
            changed = nodes.delete_node(context.api, name)
            _delete_lease(context, name)
        except ClusterApiError as error:
            if error.code:
                raise
            wait.longer(str(error))
        else:
            return changed


def _delete_lease(context: Context, name: str) -> None:
    try:
        context.api.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
    except ClusterApiError as error:
        if error.code != 404:
            raise
