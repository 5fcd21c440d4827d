"""A machine's own files, its command line and its place in the inventory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from kprov.lab.cgroups import MachineGroup, hierarchies, host_is_unified
from kprov.lab.disk import host_key, make_disk, ssh_key_pair
from kprov.lab.errors import LabError
from kprov.lab.inventory_file import write_inventory
from kprov.lab.layout import lay_out
from kprov.lab.login import ssh_command
from kprov.lab.state import LabState
from kprov.lab.supervisor import nspawn_command

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
V1 = """\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"


@pytest.fixture
def state(tmp_path: Path) -> LabState:
    return LabState("t", tmp_path / "state")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root tree with the accounts that the lab's have."""
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    me = os.getuid() or 1000
    lines = [f"{name}:x:{me}:{me}::/home/{name}:/bin/sh" for name in ("debian", "ops")]
    (tree / "etc/passwd").write_text("\n".join(lines) + "\n")
    return tree


@needs_ssh
@pytest.mark.skipif(os.getuid() != 0, reason="gives files to other users")
def test_disk_and_inventory(state: LabState, tree: Path, tmp_path: Path) -> None:
    layout = lay_out(name="t", control_planes=1, workers=1)
    public = ssh_key_pair(state.key, "test")
    assert state.key.stat().st_mode & 0o777 == 0o600
    for machine in layout.machines:
        make_disk(state.machine_folder(machine.name), tree, layout, machine, public)
    upper = state.machine_folder("cp1") / "upper"
    assert (upper / "etc/hostname").read_text() == "cp1\n"
    assert "10.90.0.11/24" in (upper / "etc/systemd/system/lab-network.service").read_text()
    assert (upper / "root/.ssh/authorized_keys").read_text() == public
    assert (upper / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    path = tmp_path / "inventories/lab.yaml"
    write_inventory(path, state, layout)
    inventory = yaml.safe_load(path.read_text())["all"]
    assert inventory["children"] == {
        "etcd": {"hosts": {"cp1": {}}},
        "control_plane": {"hosts": {"cp1": {}}},
        "node": {"hosts": {"w1": {}}},
    }
    assert inventory["hosts"]["w1"]["kprov_host_key"] == host_key(state.machine_folder("w1"))
    assert inventory["hosts"]["w1"]["kprov_power_off_command"].endswith("/kprov lab stop --lab t w1")
    assert inventory["vars"]["ansible_ssh_private_key_file"] == str(state.key)
    assert "StrictHostKeyChecking=yes" in ssh_command(state, layout.machine("cp1"))


@needs_ssh
@pytest.mark.skipif(os.getuid() != 0, reason="gives files to other users")
def test_a_disk_that_was_interrupted_is_made_anew_and_a_whole_one_is_kept(state: LabState, tree: Path) -> None:
    layout = lay_out(name="t", control_planes=1, workers=0)
    folder = state.machine_folder("cp1")
    (folder / "upper/etc").mkdir(parents=True)
    (folder / "upper/etc/half").touch()
    make_disk(folder, tree, layout, layout.machines[0], "key\n")
    assert not (folder / "upper/etc/half").exists()
    (folder / "upper/etc/data").touch()
    make_disk(folder, tree, layout, layout.machines[0], "key\n")
    assert (folder / "upper/etc/data").exists()


@pytest.mark.parametrize(
    ("release", "unified", "told"), [("12", False, False), ("13", False, True), ("13", True, False)]
)
def test_debian_13_is_told_of_cgroup_v1(release: str, unified: bool, told: bool) -> None:
    layout = lay_out(releases=(release,))
    command = nspawn_command(layout, layout.machines[0], Path("/m"), unified=unified)
    assert ("SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1" in command) is told
    assert f"--network-bridge={layout.bridge}" in command


def test_hierarchies_of_both_kinds_of_host() -> None:
    assert hierarchies(V1) == [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified")]
    assert (host_is_unified(V1), host_is_unified(V2)) == (False, True)


def test_a_v1_cpuset_group_gets_what_its_parent_has(tmp_path: Path) -> None:
    for folder in ("", "kprov-lab", "kprov-lab/cp1"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "cgroup.clone_children").write_text("0")
        for name in ("cpuset.cpus", "cpuset.mems"):
            (tmp_path / folder / name).write_text("0-1\n" if folder == "" else "\n")
    MachineGroup("lab", "cp1", [tmp_path]).create()
    assert (tmp_path / "kprov-lab/cp1/cpuset.cpus").read_text() == "0-1\n"


def test_a_v2_group_passes_the_controllers_on(tmp_path: Path) -> None:
    (tmp_path / "kprov-lab").mkdir()
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    MachineGroup("lab", "cp1", [tmp_path]).create()
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert (tmp_path / "kprov-lab/cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_no_lab_is_told_with_what_makes_one(state: LabState) -> None:
    with pytest.raises(LabError, match="kprov lab up --lab t"):
        state.layout()


def test_a_machine_that_was_never_made_lets_nobody_in(tmp_path: Path) -> None:
    state = LabState("half", tmp_path)
    with pytest.raises(LabError, match="cp1 has not been made yet; go on with: kprov lab up --lab half"):
        ssh_command(state, lay_out().machine("cp1"))
