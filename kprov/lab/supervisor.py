"""One process a machine: mounts its disk, runs systemd-nspawn on it, and runs it again when the machine reboots.

It lives in a mount namespace of its own (``unshare --mount`` starts it), so its mounts go when it goes. Run as
``python -m kprov.lab.supervisor LAB STATE_ROOT MACHINE``; kprov.lab.power does.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from kprov.lab.cgroups import MachineGroup, host_is_unified
from kprov.lab.layout import Layout, Machine
from kprov.lab.state import LabState

REBOOT = 133  # what systemd-nspawn --keep-unit answers when the machine inside asked for a reboot
_PR_SET_PDEATHSIG = 1


def nspawn_command(layout: Layout, machine: Machine, folder: Path, *, unified: bool) -> list[str]:
    """The command line that boots a machine.

    Args:
        layout: the lab.
        machine: which machine.
        folder: its folder; the overlay is mounted on ``root`` in it.
        unified: whether the host has cgroup v2 alone.
    """
    command = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={folder / 'root'}",
        f"--machine={layout.nspawn_name(machine.name)}",
        f"--hostname={machine.name}",
        f"--network-bridge={layout.bridge}",
        "--register=no",
        "--keep-unit",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        # The containers inside need what a machine has: every capability, every system call.
        "--capability=all",
        "--system-call-filter=@known",
        # An overlay cannot lie on an overlay: containerd's own folder is a plain one.
        f"--bind={folder / 'containerd'}:/var/lib/containerd",
    ]
    if machine.etcd_disk:
        command.append(f"--bind={folder / 'etcd'}:/var/lib/etcd")
    command += [f"--bind={device}" for device in ("/dev/net/tun", "/dev/fuse") if Path(device).exists()]
    if machine.release != "12" and not unified:
        # From Debian 13 on, systemd boots on cgroup v1 only when told so thrice.
        command += [
            "systemd.unified_cgroup_hierarchy=0",
            "systemd.legacy_systemd_cgroup_controller=0",
            "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
        ]
    return command


def open_controllers(leader: int) -> None:
    """Make the v1 controllers writable inside a machine: systemd-nspawn mounts them read-only.

    Only the mount is read-only, not what it shows, so the flag of the bind is what must change. To unmount them first
    would be a race with the machine's init, which mounts controllers that it misses. Nothing to do on a v2 host.
    """
    rows = [line.split() for line in Path(f"/proc/{leader}/mounts").read_text().splitlines()]
    points = [point for _, point, kind, options, *_ in rows if kind == "cgroup" and "ro" in options.split(",")]
    if points:
        script = 'for point; do mount -o remount,bind,rw "$point" || exit; done'
        inside = ["nsenter", f"--target={leader}", "--mount", "--", "sh", "-c", script, "sh", *points]
        subprocess.run(inside, check=True)


def _mount_disks(folder: Path, machine: Machine) -> None:
    if machine.etcd_disk:
        subprocess.run(["mount", "-o", "loop", str(folder / "etcd.img"), str(folder / "etcd")], check=True)
    layers = f"lowerdir={(folder / 'tree').readlink()},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(folder / "root")], check=True)


def _boot(command: list[str], group: MachineGroup, leader_file: Path) -> int:
    """Run systemd-nspawn once. Returns its exit code."""

    def enter() -> None:
        group.enter()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind("")  # an address of the kernel's choice that no file stands for
        address = "@" + notices.getsockname()[1:].decode()
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": address,
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",  # or sysctls of the network could not be set inside
        }
        machine = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, preexec_fn=enter)
        notices.settimeout(0.2)
        while machine.poll() is None:
            try:
                notice = notices.recv(65536).decode()
            except TimeoutError:
                continue
            if found := re.search(r"^X_NSPAWN_LEADER_PID=(\d+)$", notice, re.MULTILINE):
                open_controllers(int(found[1]))
                partial = leader_file.with_suffix(".partial")
                partial.write_text(found[1])
                partial.replace(leader_file)
                break
    # The socket is closed by now: systemd-nspawn passes on every notice of the machine's init, and both would stand
    # still as soon as a queue that nobody reads is full.
    code = machine.wait()
    leader_file.unlink(missing_ok=True)
    return code


def supervise(state: LabState, name: str) -> int:
    """Run a machine until it powers itself off. Returns systemd-nspawn's last exit code."""
    layout = state.layout()
    machine = layout.machine(name)
    folder = state.machine_folder(name)
    with open(folder / "power", "w") as power:
        fcntl.lockf(power, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held while the machine is on: power.supervisor_of asks who
        _mount_disks(folder, machine)
        tree = (folder / "root").stat()  # systemd-nspawn locks by it, and leaves the lock's file when it is killed
        (folder / "nspawn-lock").write_text(f"/run/systemd/nspawn/locks/inode-{tree.st_dev}:{tree.st_ino}")
        group = MachineGroup(state.folder.name, name)
        command = nspawn_command(layout, machine, folder, unified=host_is_unified())
        code = REBOOT
        while code == REBOOT:
            group.create()
            code = _boot(command, group, folder / "leader")
        return code


if __name__ == "__main__":
    lab, root, machine_name = sys.argv[1:]
    sys.exit(supervise(LabState(lab, Path(root)), machine_name))
