"""Snapshots on the controller, and the archive of everything that a cluster is."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import pytest

from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.storage.archive import unpack_archive, write_archive
from kprov.provision.cluster.storage.restoring import refuse_failed
from kprov.provision.cluster.storage.room import writing_to
from kprov.provision.cluster.storage.snapshot_file import SnapshotError, check, checksum_path, write_checksum
from kprov.provision.engine import Result, Status
from kprov.provision.inventory import Inventory, load
from kprov.provision.pki.authority import is_complete, open_authorities
from kprov.provision.pki.errors import SealedError
from kprov.provision.pki.keyring import first_keyring, load_keyring, save_keyring

INVENTORY = """
all:
  hosts: {cp1: {ansible_host: 192.0.2.11}}
  children: {etcd: {hosts: {cp1: }}, control_plane: {hosts: {cp1: }}, node: {hosts: {cp1: }}}
"""


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A file in the form of etcd's snapshots: the database, and its SHA-256."""
    database = bytes(range(256)) * 8
    path = tmp_path / "snapshot.db"
    path.write_bytes(database + hashlib.sha256(database).digest())
    return path


def test_a_whole_snapshot_is_taken(snapshot: Path) -> None:
    found = check(snapshot)
    assert (found.size, found.sha256) == (2080, hashlib.sha256(snapshot.read_bytes()).hexdigest())
    write_checksum(snapshot, found.sha256)
    assert check(snapshot) == found
    assert checksum_path(snapshot).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("at", [0, 1000, 2047, 2048, 2079])
def test_a_bit_that_flipped_is_noticed(snapshot: Path, at: int) -> None:
    content = bytearray(snapshot.read_bytes())
    content[at] ^= 4
    snapshot.write_bytes(content)
    with pytest.raises(SnapshotError, match="damaged"):
        check(snapshot)


@pytest.mark.parametrize("length", [0, 10, 32, 2048, 2079])
def test_one_that_was_cut_off_is_none(snapshot: Path, length: int) -> None:
    snapshot.write_bytes(snapshot.read_bytes()[:length])
    with pytest.raises(SnapshotError):
        check(snapshot)


def test_the_checksum_beside_it_holds(snapshot: Path) -> None:
    checksum_path(snapshot).write_text(f"{'0' * 64}  {snapshot.name}\n")
    with pytest.raises(SnapshotError, match="not what it was"):
        check(snapshot)
    checksum_path(snapshot).write_text("what?\n")
    with pytest.raises(SnapshotError, match="holds no SHA-256"):
        check(snapshot)
    with pytest.raises(SnapshotError, match="No such file"):
        check(snapshot.with_name("other.db"))


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    folder = tmp_path / "cluster"
    (folder / "group_vars/all").mkdir(parents=True)
    (folder / "inventory.yaml").write_text(INVENTORY)
    (folder / "group_vars/all/more.yml").write_text("max_pods: 42\n")
    loaded = load(folder / "inventory.yaml")
    state = loaded.cluster.state_directory
    open_authorities(state, lifetime_days=10)
    save_keyring(state, first_keyring(cluster_has_secrets=False))
    (state / "runs/1").mkdir(parents=True)
    (state / "runs/1/run.log").write_text("history")
    return loaded


def test_a_cluster_comes_out_of_its_archive(inventory: Inventory, snapshot: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.backup"
    write_archive(target, inventory, snapshot, "sesame")
    assert target.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" not in target.read_bytes()
    with pytest.raises(SealedError):
        unpack_archive(target, tmp_path / "no", "barley")
    assert list((tmp_path / "no").iterdir()) == []
    for _ in range(2):  # the same command again
        found = unpack_archive(target, tmp_path / "new", "sesame")
    assert is_complete(found.state)
    assert load_keyring(found.state) == load_keyring(inventory.cluster.state_directory)
    assert load(found.inventory).cluster.max_pods == 42
    assert check(found.snapshot).size == 2080
    assert not list((tmp_path / "new").rglob("run.log"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "new").rglob("*"))
    # What the runs of a restore change is gone on with, when it was cut off.
    save_keyring(found.state, first_keyring(cluster_has_secrets=True))
    unpack_archive(target, tmp_path / "new", "sesame")
    (found.state / "pki/ca.crt").write_text("another cluster's")
    with pytest.raises(ClusterError, match="choose an empty folder"):
        unpack_archive(target, tmp_path / "new", "sesame")


def test_a_full_disk_is_named_and_what_was_there_stays(inventory: Inventory, snapshot: Path, tmp_path: Path) -> None:
    target = tmp_path / "kept.backup"
    target.write_text("the one before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    left = sorted(tmp_path.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))  # as on a full disk, but EFBIG; SIGXFSZ is ignored
    try:
        with pytest.raises(ClusterError, match=f"{tmp_path} has no room: .*make room"), writing_to(tmp_path):
            write_archive(target, inventory, snapshot, "sesame")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_text() == "the one before" and sorted(tmp_path.iterdir()) == left


def test_who_could_not_restore_is_named_with_what_etcd_said() -> None:
    log = '{"level":"info","msg":"restoring snapshot","path":"/var/lib/kprov/etcd-snapshot/snapshot.db"}\n' * 9
    results = {
        "cp1": Result("cp1", "Restore", Status.CHANGED),
        "cp2": Result(
            "cp2", "Restore", Status.FAILED, data={"stderr": f"{log}Error: write x: no space left on device\n"}
        ),
        "cp3": Result("cp3", "Restore", Status.FAILED, message="etcdctl is not there"),
    }
    with pytest.raises(ClusterError) as raised:
        refuse_failed(results, "it can't be restored")
    assert str(raised.value) == (
        "it can't be restored: cp2: write x: no space left on device; cp3: etcdctl is not there. Run the command again"
    )
