"""Restores etcd from one snapshot, on all of its machines: a new cluster with the old content.

Members are restored beside their data while the cluster goes on; only when every one of them is ready are the API
servers and etcd stopped, the folders exchanged, and all started again. Killed anywhere, the same command goes on; what
was there before is kept beside it (member-data.before-restore).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from kprov.provision.cluster.artifacts import daemons_of
from kprov.provision.cluster.canary import api_servers_answer, etcd_answers
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.encryption import recall_keys
from kprov.provision.cluster.etcd import NOT_FINISHED
from kprov.provision.cluster.etcd_members import peer_url
from kprov.provision.cluster.lost_members import forget_lost
from kprov.provision.cluster.phase import ClusterError, Phase
from kprov.provision.cluster.storage.saving import SnapshotStatus, status_of
from kprov.provision.cluster.storage.snapshot_file import SnapshotFile
from kprov.provision.cluster.storage.standing import EtcdState, look_at_etcd
from kprov.provision.engine import Result
from kprov.provision.inventory import Host
from kprov.provision.kubeapi.client import ClusterApiError

DATA_FOLDER = "/var/lib/etcd/member-data"
KEPT = f"{DATA_FOLDER}.before-restore"
_NEW = f"{DATA_FOLDER}.restored"
_STAGE = "/var/lib/kprov/etcd-snapshot"
_THERE = f"{_STAGE}/snapshot.db"
# Nobody can have seen a revision as high: clients that were ahead of the snapshot begin anew, as etcd advises.
_BUMP = 1_000_000_000

# Tells whether this machine's etcd can raise revisions past those that clients have seen (etcd 3.5.16 and 3.6).
_CAN_BUMP = "etcdutl snapshot restore --help 2>/dev/null | grep -q -- --bump-revision"

# On a disk that has no room for it, nothing of it stays: the member that runs there needs what is left.
_RESTORE = f"""
set -eu
rm -rf {_NEW}
trap '[ $? -eq 0 ] || rm -rf {_NEW}' EXIT
tool=$(command -v etcdutl || command -v etcdctl)
ETCDCTL_API=3 "$tool" snapshot restore {_THERE} --data-dir={_NEW} "$@"
chown -R etcd:etcd {_NEW}
chmod 0700 {_NEW}
sync -f {_NEW}
"""

# Killed between any two of these, a second run comes to the same end, and what was there first is what is kept.
_EXCHANGE = f"""
set -eu
if [ -d {DATA_FOLDER} ]; then
    if [ -e {NOT_FINISHED}/kept ]; then
        rm -rf {DATA_FOLDER}
    else
        rm -rf {KEPT}
        mv {DATA_FOLDER} {KEPT}
        sync -f /var/lib/etcd
    fi
fi
touch {NOT_FINISHED}/kept
mv {_NEW} {DATA_FOLDER}
sync -f /var/lib/etcd
"""


@dataclass(slots=True)
class Restoring:
    """One restore.

    Attributes:
        snapshot: what is restored.
        agree: told what will be lost, before anything is changed; raises to end it there. None: it
            is agreed already.
        members: the machines that become members; empty: all of the group etcd.
        bumped: whether revisions were raised past those that clients may have seen.
    """

    snapshot: SnapshotFile
    agree: Callable[[Sequence[str]], None] | None
    members: list[Host] = field(default_factory=list)
    bumped: bool = False
    status: SnapshotStatus | None = None

    def phases(self) -> tuple[Phase, ...]:
        """What is done, in order."""
        return (
            Phase("Look at the snapshot", "etcd", procedure=self._look, essential=True, whole=True),
            Phase("Restore each member beside its data", "etcd", procedure=self._restore, essential=True, whole=True),
            Phase("Stop the API servers", "control_plane", procedure=self._stop, essential=True, whole=True),
            Phase("Exchange etcd's data", "etcd", procedure=self._exchange, essential=True, whole=True),
            Phase("Bring back the keys of its time", "control_plane", procedure=recall_keys, whole=True),
            # By its role: they are told of the members and the keys that there are now.
            Phase(
                "Start the API servers",
                "control_plane",
                role="kube-apiserver",
                essential=True,
                verify=api_servers_answer,
            ),
            Phase("Have every daemon begin anew", "all", procedure=self._begin_anew, whole=True),
            Phase("Clear up", "etcd", procedure=self._clear_up, whole=True),
        )

    def _members(self, context: Context) -> list[Host]:
        return self.members or context.inventory.group("etcd")

    def _look(self, context: Context, hosts: list[Host]) -> None:
        engine = context.engine
        wanted = self._members(context)
        with engine.phase("Look at the snapshot", wanted) as phase:
            steps = [
                ("file", {"path": _STAGE, "state": "directory", "mode": "0700", "owner": "root", "group": "root"}),
                ("copy", {"src": str(self.snapshot.path.resolve()), "dest": _THERE, "mode": "0600"}),
            ]
            with _cleared_when_it_fails(context, wanted):
                for results in engine.module_all({host.name: steps for host in wanted}).values():
                    for result in results:
                        result.raise_if_failed()
                self.status = status_of(engine, wanted[0], _THERE)
            message = f"revision {self.status.revision}, {self.status.total_keys} keys"
            phase.record(wanted[0], "Snapshot", message=message)
        if self.agree is None:
            return
        with _cleared_when_it_fails(context, wanted):
            self.agree(what_is_lost(look_at_etcd(engine, context.inventory.group("etcd")), self.status))

    def _restore(self, context: Context, hosts: list[Host]) -> None:
        engine, wanted = context.engine, self._members(context)
        listed = ",".join(f"{host.name}={peer_url(host)}" for host in wanted)
        token = f"{context.inventory.cluster.cluster_name}-{secrets.token_hex(4)}"
        with engine.phase("Restore each member beside its data", wanted):
            asked = ("command", {"argv": ["sh", "-c", _CAN_BUMP], "_check": False, "_quiet": True})
            able = engine.module_all({host.name: asked for host in wanted})
            self.bumped = not any(result.failed for result in able.values())
            more = [f"--bump-revision={_BUMP}", "--mark-compacted"] if self.bumped else []
            calls = {}
            for host in wanted:
                arguments = [
                    f"--name={host.name}",
                    f"--initial-cluster={listed}",
                    f"--initial-cluster-token={token}",
                    f"--initial-advertise-peer-urls={peer_url(host)}",
                    *more,
                ]
                argv = ["sh", "-c", _RESTORE, "restore", *arguments]
                calls[host.name] = ("command", {"argv": argv, "_title": "Restore"})
            with _cleared_when_it_fails(context, wanted):
                refuse_failed(
                    engine.module_all(calls), "etcd can't be restored from this snapshot; nothing was changed"
                )

    def _stop(self, context: Context, hosts: list[Host]) -> None:
        engine, wanted = context.engine, self._members(context)
        with engine.phase("Stop the API servers", hosts):
            begun = ("file", {"path": NOT_FINISHED, "state": "directory", "mode": "0700"})
            refuse_failed(engine.module_all({host.name: begun for host in wanted}), "the restore can't begin")
            stop = ("systemd", {"name": "kube-apiserver", "state": "stopped"})
            refuse_failed(engine.module_all({host.name: stop for host in hosts}), "an API server does not stop")

    def _exchange(self, context: Context, hosts: list[Host]) -> None:
        engine, wanted = context.engine, self._members(context)
        with engine.phase("Exchange etcd's data", wanted):
            stop = ("systemd", {"name": "etcd", "state": "stopped"})
            refuse_failed(engine.module_all({host.name: stop for host in hosts}), "etcd does not stop")
            exchange = ("command", {"argv": ["sh", "-c", _EXCHANGE], "_title": "Exchange the data"})
            refuse_failed(engine.module_all({host.name: exchange for host in wanted}), "the data can't be exchanged")
            start = ("systemd", {"name": "etcd", "state": "started", "enabled": True})
            refuse_failed(engine.module_all({host.name: start for host in wanted}), "etcd does not start")
            etcd_answers(context, wanted)
            # Whatever their data were before, they are members now.
            forget_lost(context.inventory.cluster.state_directory, [host.name for host in wanted])

    def _begin_anew(self, context: Context, hosts: list[Host]) -> None:
        """What a daemon has seen of the time that is gone must not guide it."""
        engine = context.engine
        with engine.phase("Have every daemon begin anew", hosts):
            _drop_leases(context)
            calls = {
                host.name: [
                    ("systemd", {"name": unit, "state": "restarted", "_title": f"Restart {unit}"})
                    for unit in sorted(daemons_of(host) - {"kube-apiserver"})
                ]
                for host in hosts
            }
            for results in engine.module_all(calls).values():
                refuse_failed({result.host: result for result in results if result.failed}, "a daemon does not start")

    def _clear_up(self, context: Context, hosts: list[Host]) -> None:
        engine, wanted = context.engine, self._members(context)
        with engine.phase("Clear up", wanted):
            calls = [("file", {"path": path, "state": "absent"}) for path in (_STAGE, NOT_FINISHED)]
            engine.module_all({host.name: calls for host in wanted})


@contextmanager
def _cleared_when_it_fails(context: Context, members: Sequence[Host]) -> Iterator[None]:
    """Before anything is changed, what was laid down for it goes away again when it can't go on."""
    engine = context.engine
    try:
        yield
    except BaseException:
        gone = [("file", {"path": path, "state": "absent", "_quiet": True}) for path in (_STAGE, _NEW)]
        engine.module_all({host.name: gone for host in engine.alive(members)})
        raise


def _drop_leases(context: Context) -> None:
    """Who led when the snapshot was taken leads no more: nobody needs to wait until that has expired."""
    for name in ("kube-scheduler", "kube-controller-manager"):
        try:
            context.api.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}")
        except ClusterApiError as error:
            if error.code != 404:  # no more than a delay: it expires by itself
                context.engine.warn(f"the Lease {name} is left to expire: {error}")


def what_is_lost(state: EtcdState, snapshot: SnapshotStatus) -> list[str]:
    """Sentences for the person who must agree."""
    lines = [f"the snapshot has {snapshot.total_keys} keys and is of revision {snapshot.revision}"]
    if state.restore_cut_off:
        lines.append(f"a restore was cut off on {', '.join(state.restore_cut_off)}: this one takes its place")
    elif not state.revision:
        lines.append("no member of etcd answers, so nobody can say what has been written since")
    elif state.revision > snapshot.revision:
        lines.append(
            f"etcd is at revision {state.revision} now: the last {state.revision - snapshot.revision} changes are lost"
        )
    elif state.revision < snapshot.revision:
        lines.append(
            f"etcd is at revision {state.revision} now: what it holds is lost, the snapshot is of another time"
        )
    else:
        lines.append("nothing has been written since it was taken")
    lines.append("what was made since then is gone, and what was deleted since then comes back")
    lines.append("the API does not answer for some seconds; pods run on, and those that the snapshot does not know end")
    return lines


def refuse_failed(results: dict[str, Result], otherwise: str) -> None:
    """Raises ClusterError with ``otherwise``, the machines and their reasons, where one of them failed."""
    failed = [f"{name}: {_reason(result)}" for name, result in results.items() if result.failed]
    if failed:
        raise ClusterError(f"{otherwise}: {'; '.join(failed)}. Run the command again")


def _reason(result: Result) -> str:
    """What a program said at its end: of etcd's tools the line that is for people, without its log."""
    said = str(result.get("stderr") or result.message).strip()
    lines = [line for line in said.splitlines() if line.startswith("Error: ")]
    return (lines[-1].removeprefix("Error: ") if lines else said)[-400:].rstrip(".")
