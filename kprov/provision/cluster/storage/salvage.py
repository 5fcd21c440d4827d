"""Repairs the loss of etcd's quorum: what the members that are left have becomes a new cluster of them.

Each of them is run alone, on a copy of its data, for as long as a snapshot of it takes (etcd's --force-new-cluster,
which replays its log); the newest of these snapshots is then restored as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.etcd import DATA
from kprov.provision.cluster.lost_members import remember_lost
from kprov.provision.cluster.phase import ClusterError, Phase
from kprov.provision.cluster.storage.bringing import bring
from kprov.provision.cluster.storage.restoring import DATA_FOLDER, Restoring
from kprov.provision.cluster.storage.saving import status_of
from kprov.provision.cluster.storage.snapshot_file import check, write_checksum
from kprov.provision.cluster.storage.standing import EtcdState, look_at_etcd
from kprov.provision.cluster.storage.upkeep import LONGEST
from kprov.provision.inventory import Host

_FOLDER = "/var/lib/kprov/etcd-salvage"
_SNAPSHOT = f"{_FOLDER}/snapshot.db"
_COPY = "/var/lib/etcd/salvage"
_UNIT = "/etc/systemd/system/etcd.service"
_PKI = "/etc/kubernetes/pki/etcd"

# etcd alone on loopback, with the certificates that it has; stopped and cleared away however this ends.
_SALVAGE = f"""
set -eu
clear_away() {{ systemctl stop kprov-etcd-salvage.service 2>/dev/null || true; rm -rf {_COPY}; }}
trap clear_away EXIT
trap 'exit 1' HUP INT TERM
clear_away
rm -rf {_FOLDER}
install -d -m 0700 {_FOLDER}
cp -a {DATA_FOLDER} {_COPY}
systemd-run --quiet --collect --unit=kprov-etcd-salvage --uid=etcd --gid=etcd --property=Type=notify \
    --property=TimeoutStartSec=300 /usr/bin/etcd --name="$1" --data-dir={_COPY} --force-new-cluster \
    --listen-client-urls=https://127.0.0.1:2399 --advertise-client-urls=https://127.0.0.1:2399 \
    --listen-peer-urls=http://127.0.0.1:2398 --client-cert-auth=true --trusted-ca-file={_PKI}/ca.crt \
    --cert-file={_PKI}/server.crt --key-file={_PKI}/server.key
ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2399 --cacert={_PKI}/ca.crt \
    --cert={_PKI}/healthcheck-client.crt --key={_PKI}/healthcheck-client.key \
    --dial-timeout=5s --command-timeout={LONGEST}s snapshot save {_SNAPSHOT}
"""


@dataclass(slots=True)
class Recovery:
    """One repair.

    Attributes:
        target: where the controller keeps the snapshot that it is made from.
        agree: told what will be lost, before anything is changed; raises to end it there.
        source: the machine whose data it was in the end.
        lost: the machines that are out of etcd afterwards.
    """

    target: Path
    agree: Callable[[Sequence[str]], None]
    source: str = ""
    lost: list[Host] = field(default_factory=list)
    _with_data: list[Host] = field(default_factory=list)
    _members: list[Host] = field(default_factory=list)
    _restoring: Restoring | None = None

    def phases(self) -> tuple[Phase, ...]:
        """What is done before the snapshot can be restored."""
        return (
            Phase("Look at what is left of etcd", "etcd", procedure=self._look, essential=True, whole=True),
            Phase("Salvage what the members have", "etcd", procedure=self._salvage, essential=True, whole=True),
        )

    def restoring(self) -> Restoring:
        """The restore that comes after these phases."""
        self._restoring = Restoring(check(self.target), agree=None, members=self._members)
        return self._restoring

    @property
    def bumped(self) -> bool:
        """Whether revisions were raised past those that clients may have seen."""
        return self._restoring is not None and self._restoring.bumped

    def _look(self, context: Context, hosts: list[Host]) -> None:
        engine, group = context.engine, context.inventory.group("etcd")
        with engine.phase("Look at what is left of etcd", hosts):
            state = look_at_etcd(engine, group)
            if state.has_quorum:
                raise ClusterError(
                    f"etcd has a quorum ({state.healthy} of {state.voters} members are healthy): nothing must be lost. "
                    "Bring the other members back, and run `kprov up`"
                )
            stats = {h.name: [("stat", {"path": path, "_quiet": True}) for path in (DATA, _UNIT)] for h in hosts}
            found = engine.module_all(stats)
            self._with_data = [h for h in hosts if not found[h.name][0].failed and found[h.name][0]["stat"]["exists"]]
            self._members = [h for h in hosts if not found[h.name][1].failed and found[h.name][1]["stat"]["exists"]]
            self.lost = [host for host in group if host not in self._members]
            if not self._with_data:
                raise ClusterError(
                    "no machine that answers has data of etcd: bring one back, or restore a snapshot with "
                    "`kprov etcd restore FILE`"
                )
        self.agree(_what_is_lost(state, self._with_data, self.lost, len(group)))

    def _salvage(self, context: Context, hosts: list[Host]) -> None:
        engine = context.engine
        names = {host.name: host for host in self._with_data}
        with engine.phase("Salvage what the members have", self._with_data) as phase:
            stop = ("systemd", {"name": "etcd", "state": "stopped"})
            save = {
                name: ("command", {"argv": ["sh", "-c", _SALVAGE, "salvage", name], "_title": "Salvage"})
                for name in names
            }
            try:
                for result in engine.module_all(dict.fromkeys(names, stop)).values():
                    result.raise_if_failed()
                done = engine.module_all(save)
                fine = [name for name, result in done.items() if not result.failed]
                if not fine:
                    said = "; ".join(
                        f"{name}: {result.get('stderr') or result.message}"[-400:] for name, result in done.items()
                    )
                    raise ClusterError(
                        f"etcd's data can't be read: {said}. Restore a snapshot: kprov etcd restore FILE"
                    )
                newest = {name: status_of(engine, names[name], _SNAPSHOT) for name in fine}
                self.source = max(newest, key=lambda name: newest[name].revision)
                sha256 = bring(engine, names[self.source], _SNAPSHOT, self.target)
                write_checksum(self.target, sha256)
            except BaseException:
                # As it was: whoever brings a lost member back has a quorum again.
                start = ("systemd", {"name": "etcd", "state": "started", "no_block": True})
                engine.module_all(dict.fromkeys([host.name for host in engine.alive(self._with_data)], start))
                raise
            finally:
                gone = ("file", {"path": _FOLDER, "state": "absent", "_quiet": True})
                engine.module_all({host.name: gone for host in engine.alive(self._with_data)})
            message = f"revision {newest[self.source].revision}; kept on the controller as {self.target}"
            phase.record(self.source, "Snapshot", message=message)
        # From here on their data are of a cluster that is no more.
        remember_lost(context.inventory.cluster.state_directory, [host.name for host in self.lost])


def _what_is_lost(state: EtcdState, with_data: Sequence[Host], lost: Sequence[Host], count: int) -> list[str]:
    names = ", ".join(host.name for host in with_data)
    lines = [f"of {count} members, {names} {'has' if len(with_data) == 1 else 'have'} data and can be reached"]
    if len(with_data) >= state.quorum:
        lines.append(
            f"that is enough for a quorum ({state.quorum} of {state.voters}): if they can be started "
            "(`systemctl start etcd` on each), nothing need be lost; go on only if their data are damaged"
        )
    lines += [
        "what was acknowledged in the last moments before the loss, and only the lost members had, is lost",
        "the API does not answer until it is done; pods run on",
    ]
    if lost:
        gone = ", ".join(host.name for host in lost)
        lines.append(
            f"what {gone} still {'has' if len(lost) == 1 else 'have'} on disk becomes worthless: run `kprov up` "
            f"as soon as {'it is' if len(lost) == 1 else 'they are'} switched on again, so that it joins anew"
        )
    return lines
