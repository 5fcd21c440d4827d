"""The authorities are changed for new ones in three steps, each made by every machine before the next begins.

1. Everybody trusts both; the old one signs.
2. The new one signs, and signs everything again; both are trusted still.
3. Only the new one is trusted. After it the old one's key is gone.

What a step asks is done by what `kprov up` and `kprov certs renew` do as well: they go by what the controller's
authorities say, so that a run of theirs in between does no harm. Where a run was cut off, the next one begins with the
same step again, and finds most of it done.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from kprov.provision.cluster.canary import api_servers_answer
from kprov.provision.cluster.certificates import issue_certificates
from kprov.provision.cluster.context import Context, server_for_people
from kprov.provision.cluster.controller_state import take_named_authorities
from kprov.provision.cluster.joining import wait_for_nodes
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.restarts import files_read_once, restart_stale_services
from kprov.provision.cluster.rotating.bundles import holding, trust_in_bundles, wait_for_config_maps
from kprov.provision.cluster.rotating.kubelets import FILES, kubelets_of_others, reissue_kubelets
from kprov.provision.cluster.storage.standing import look_at_etcd
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host
from kprov.provision.pki.authority import open_authorities
from kprov.provision.pki.authority_files import authority_files_of
from kprov.provision.pki.kubeconfig import write_admin_kubeconfig
from kprov.provision.pki.renewal import OTHER_AUTHORITY
from kprov.provision.pki.rotation import Step, load_rotation
from kprov.provision.pki.succession import advance, begin, both_certificates, finish, mark_done
from kprov.provision.verify.certificates import read_certificates

TITLES = {
    Step.TRUST_BOTH: "Step 1 of 3: everybody trusts the old authority and the new one",
    Step.REISSUE: "Step 2 of 3: the new authority signs every certificate again",
    Step.TRUST_NEW: "Step 3 of 3: everybody trusts the new authority alone",
}


_TO_DO = {
    Step.TRUST_BOTH: "everybody trusts both. Now hand out admin.kubeconfig again, and restart pods that read the "
    "authority only at their start; then run the same command without --until",
    Step.REISSUE: "everything has certificates of the new authority. What others were given by the old one "
    "(`kubectl certificate approve`) must be made anew now; then run the same command without --until",
}


@dataclass(slots=True)
class Rotation:
    """Changes authorities, from wherever the last run came to.

    Attributes:
        names: which, as in AUTHORITIES.
        passphrase: opens the present keys, and seals the new ones where those are sealed.
        until: stop when this step is made; None: go on to the end.
        own: kprov makes new ones of its own, though somebody else has signed the present ones.
        told: what a person should know at the end.
    """

    names: tuple[str, ...]
    passphrase: str | None = field(default=None, repr=False)
    until: Step | None = None
    own: bool = False
    told: list[str] = field(default_factory=list)

    def run(self, context: Context, hosts: list[Host]) -> None:
        """Do it; where the run only compares, say what each step would do.

        Raises:
            ClusterError: a machine does not take part, or something is not well: nothing goes on until it is.
        """
        refuse_absent(context, hosts)
        state = context.inventory.cluster.state_directory
        if not context.engine.check:
            wait_until_well(context, hosts)
            self._go(context, hosts, state)
            return
        with TemporaryDirectory(prefix="kprov-plan-") as temporary:  # mode 0700
            shutil.copytree(state / "pki", Path(temporary) / "pki")
            self._go(context, hosts, Path(temporary))

    def _go(self, context: Context, hosts: list[Host], state: Path) -> None:
        under_way = load_rotation(state / "pki")
        if self.until is not None and any(
            name in under_way and under_way[name].step.is_after(self.until) for name in self.names
        ):
            steps = ", ".join(f"{name}: {under_way[name].step}" for name in self.names if name in under_way)
            self.told.append(f"{self.until} is over already ({steps}): run the same command without --until")
            return
        lifetime = context.inventory.cluster.ca_lifetime_days
        if not self.own:
            take_named_authorities(context.inventory, state, self.passphrase, next_of=self.names)
        begin(state, self.names, lifetime_days=lifetime, passphrase=self.passphrase, own=self.own)
        while True:
            progress = load_rotation(state / "pki")
            step = min((progress[name].step for name in self.names), key=list(Step).index)
            at_it = [name for name in self.names if progress[name].step is step]
            if not all(progress[name].done for name in at_it):
                self._make(context, hosts, state, step, at_it)
                mark_done(state, at_it)
            if step is Step.TRUST_NEW:
                break
            if step is self.until:
                self.told.append(_TO_DO[step])
                return
            advance(state, at_it)
        finish(state, self.names)
        self._reopen(context, state)

    def _make(self, context: Context, hosts: list[Host], state: Path, step: Step, names: Sequence[str]) -> None:
        self._reopen(context, state)
        with context.engine.phase(f"{TITLES[step]} ({', '.join(names)})", hosts):
            pass  # a heading, for people and in the journal
        if step is Step.TRUST_NEW:
            self._tell_of_bundles(context, state, names)
            if context.engine.check:  # what the machines have still is not what they would have by then
                restart_readers(context, hosts, names)
                return
            refuse_certificates_of_others(context, hosts)
        issue_certificates(context, hosts)
        refuse_failed(context, hosts)
        if "cluster" in names:
            reissue_kubelets(context, hosts)
        # A kubelet also writes these itself, after it has started: they make it stale only where kprov replaced them.
        restart_stale_services(context, hosts, {"kubelet": FILES} if "cluster" in names else None)
        refuse_failed(context, hosts)
        if step is Step.TRUST_BOTH:
            trust_in_bundles(context, hosts, [both_certificates(state, name) for name in names])
        wait_until_well(context, hosts)
        wait_for_config_maps(context, hosts)

    def _reopen(self, context: Context, state: Path) -> None:
        reopen(context, state, self.passphrase)

    def _tell_of_bundles(self, context: Context, state: Path, names: Sequence[str]) -> None:
        held = holding(context, [both_certificates(state, name)[0] for name in names])
        if held:
            self.told.append(
                f"the old authority is still in the caBundle of {', '.join(held)}: take it out when what they lead to "
                "has certificates of the new one"
            )


def reopen(context: Context, state: Path, passphrase: str | None) -> None:
    """Open what the controller keeps again, when a step has changed it: the authorities, the way to the API."""
    cluster = context.inventory.cluster
    authorities = open_authorities(state, lifetime_days=cluster.ca_lifetime_days, passphrase=passphrase)
    if context.engine.check:
        context.opened_authorities = authorities
        return
    write_admin_kubeconfig(
        context.kubeconfig,
        cluster_name=cluster.cluster_name,
        server=server_for_people(context.inventory),
        authority=authorities.cluster,
        cluster=cluster,
    )
    context.go_on_with(authorities)


def restart_readers(context: Context, hosts: list[Host], names: Sequence[str]) -> None:
    """Say what would be restarted, since it reads one of these authorities only when it starts."""
    for host in hosts:
        services = [file.services for file in authority_files_of(host) if file.authority in names]
        known = files_read_once(context, host).keys()
        context.stale_services[host.name] = {unit for units in services for unit in units if unit in known}
    restart_stale_services(context, hosts)


def refuse_absent(context: Context, hosts: Sequence[Host], pattern: str = "all") -> None:
    """A machine that misses a step would be cut off by the next.

    Raises:
        ClusterError: one of the pattern is absent.
    """
    absent = [host.name for host in context.inventory.match(pattern) if host not in hosts]
    if absent:
        raise ClusterError(
            f"{', '.join(absent)} does not take part, and would be cut off from the cluster. Bring it back, or take it "
            "out of the inventory with `kprov node remove`"
        )


def refuse_failed(context: Context, hosts: Sequence[Host]) -> None:
    """No step goes on past a machine that could not make it.

    Raises:
        ClusterError: one failed, or does not answer any more.
    """
    lost = [host for host in hosts if host not in context.engine.alive(hosts)]
    if lost:
        reasons = "; ".join(f"{host.name}: {context.engine.state[host.name].reason}" for host in lost)
        raise ClusterError(f"not every machine made this step ({reasons}). Mend it, and run the same command again")


def wait_until_well(context: Context, hosts: list[Host]) -> None:
    """Wait until the whole cluster is well: members of etcd, API servers, nodes.

    Raises:
        ClusterError: it is not, and does not become so.
    """
    engine, inventory = context.engine, context.inventory
    if engine.check:
        return
    wait = Wait("every member of etcd to be healthy", "quorum", engine.timeouts, engine.waiting, ClusterError)
    while not (state := look_at_etcd(engine, inventory.group("etcd"))).is_well:
        sick = [f"{member.host}: {member.reason or member.state}" for member in state.members if not member.is_healthy]
        wait.longer(f"{'; '.join(sick) or 'no leader'}. `kprov etcd status` says more")
    api_servers_answer(context, inventory.group("control_plane"))
    wait_for_nodes(context, hosts)


def refuse_certificates_of_others(context: Context, hosts: list[Host]) -> None:
    """Nothing may hold a certificate that nobody will believe.

    Raises:
        ClusterError: something does.
    """
    rows = read_certificates(context.engine, context.inventory, hosts, datetime.datetime.now(datetime.UTC))
    wrong = [
        f"{row.host} {row.name}" for row in rows if row.reason == OTHER_AUTHORITY or row.state in ("missing", "expired")
    ]
    wrong += kubelets_of_others(context, hosts)
    if wrong:
        raise ClusterError(
            f"these are not of the new authority: {', '.join(wrong)}. Run `kprov certs renew`, then the same again"
        )
