"""Takes a snapshot of etcd and brings it to the controller."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.storage.bringing import bring
from kprov.provision.cluster.storage.snapshot_file import check, write_checksum
from kprov.provision.cluster.storage.standing import look_at_etcd
from kprov.provision.cluster.storage.upkeep import LONGEST, healthy_hosts, patient_etcdctl, refuse_without_quorum
from kprov.provision.engine import Engine
from kprov.provision.inventory import Host

_ON_ITS_WAY = "/var/lib/kprov/etcd-backup"


@dataclass(frozen=True, slots=True)
class SnapshotStatus:
    """What etcd says of a snapshot."""

    revision: int
    total_keys: int
    total_size: int
    hash: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def status_of(engine: Engine, host: Host, path: str) -> SnapshotStatus:
    """Ask etcd's own tool about a snapshot that lies on a machine: etcdutl where there is one, else etcdctl.

    Raises:
        ClusterError: it is no snapshot.
    """
    script = 'tool=$(command -v etcdutl || command -v etcdctl); exec "$tool" snapshot status "$0" --write-out=json'
    done = engine.module(
        host, "command", argv=["sh", "-c", script, path], _check=False, _quiet=True, _environment={"ETCDCTL_API": "3"}
    )
    if done.failed:
        raise ClusterError(
            f"{host.name}: etcd does not take {path} for a snapshot: {done.get('stderr') or done.message}"
        )
    said = json.loads(str(done["stdout"]).strip().splitlines()[-1])
    return SnapshotStatus(said["revision"], said["totalKey"], said["totalSize"], said["hash"])


@dataclass(slots=True)
class Saving:
    """Takes one snapshot.

    Attributes:
        target: the controller's file.
        status, sha256, member: of the snapshot that was taken.
    """

    target: Path
    status: SnapshotStatus | None = None
    sha256: str = ""
    member: str = ""

    def run(self, context: Context, hosts: list[Host]) -> None:
        """Take it from a healthy member, which does not lead if another can be had.

        Raises:
            ClusterError: etcd has no quorum, or the snapshot does not come through whole.
        """
        engine = context.engine
        state = look_at_etcd(engine, context.inventory.group("etcd"))
        refuse_without_quorum(state)
        host = healthy_hosts(state, hosts)[0]
        folder = ("file", {"path": _ON_ITS_WAY, "state": "directory", "mode": "0700", "owner": "root", "group": "root"})
        remove = ("file", {"path": _ON_ITS_WAY, "state": "absent", "_quiet": True})
        there = f"{_ON_ITS_WAY}/snapshot.db"
        with engine.phase("Take a snapshot", [host]) as phase:
            save = ("command", {"argv": patient_etcdctl("snapshot", "save", there), "_title": "Save", "_quiet": True})
            try:
                # What a run that was killed left there goes first.
                for result in engine.module_all({host.name: [remove, _quiet(folder), save]})[host.name]:
                    result.raise_if_failed()
                self.status = status_of(engine, host, there)
                self.sha256 = bring(engine, host, there, self.target)
            finally:
                engine.module(host, remove[0], **remove[1])
            write_checksum(self.target, self.sha256)
            check(self.target)
            self.member = host.name
            message = f"revision {self.status.revision}, {self.status.total_keys} keys"
            phase.record(host, "Snapshot", message=message)


def _quiet(task: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return task[0], {**task[1], "_quiet": True}


__all__ = ["LONGEST", "Saving", "SnapshotStatus", "status_of"]
