"""What makes a machine itself: its name, id, address, host key and who may log in, written to its own disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

from kprov.lab.layout import Layout, Machine

# The cable's end inside a machine is called host0 by systemd-nspawn. A plain oneshot sets it up: networkd would also
# take routes away that others put on the link.
_NETWORK_UNIT = """\
[Unit]
Description=Address of the lab's network
DefaultDependencies=no
Before=network.target ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip link set host0 up
ExecStart=/sbin/ip address replace {address}/{length} dev host0
ExecStart=/sbin/ip route replace default via {gateway}

[Install]
WantedBy=multi-user.target
"""


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _trust(home: Path, public_key: str, owner: int) -> None:
    folder = home / ".ssh"
    for each in (home, folder):
        each.mkdir(parents=True, exist_ok=True)
        each.chmod(0o700)
    _write(folder / "authorized_keys", public_key, 0o600)
    for each in (home, folder, folder / "authorized_keys"):
        os.chown(each, owner, owner)


def ssh_key_pair(path: Path, comment: str) -> str:
    """Make an ed25519 key pair unless it is there. Returns the public key's line."""
    public = path.with_suffix(".pub")
    if not public.exists():
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
    return public.read_text()


def host_key(folder: Path) -> str:
    """A machine's host key as an inventory pins it: type and key, without the comment."""
    return " ".join((folder / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])


def make_disk(folder: Path, tree: Path, layout: Layout, machine: Machine, public_key: str) -> None:
    """Write a machine's own files, so that its first boot finds them.

    The disk is the upper side of an overlay over the release's tree. It counts as made when its ``tree`` link stands,
    which is written last: a disk that was interrupted is made anew.

    Args:
        folder: the machine's folder in the lab's state.
        tree: the root tree of its release.
        layout: the lab.
        machine: which machine.
        public_key: the line for authorized_keys.
    """
    done = folder / "tree"
    if done.is_symlink():
        return
    if folder.exists():
        shutil.rmtree(folder)
    upper = folder / "upper"
    for each in (upper, folder / "work", folder / "root", folder / "containerd"):
        each.mkdir(parents=True)
    if machine.etcd_disk:
        (folder / "etcd").mkdir()
        image = folder / "etcd.img"
        with open(image, "wb") as disk:
            disk.truncate(machine.etcd_disk * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
    upper.chmod(0o755)
    etc = upper / "etc"
    _write(etc / "hostname", f"{machine.name}\n")
    _write(etc / "hosts", f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{machine.address} {machine.name}\n")
    _write(etc / "machine-id", f"{uuid.uuid4().hex}\n", 0o444)
    _write(etc / "resolv.conf", "# The lab has no name server.\n")
    unit = _NETWORK_UNIT.format(address=machine.address, length=layout.prefix_length, gateway=layout.gateway)
    _write(etc / "systemd/system/lab-network.service", unit)
    wanted = etc / "systemd/system/multi-user.target.wants/lab-network.service"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.symlink_to("/etc/systemd/system/lab-network.service")
    ssh_key_pair(etc / "ssh/ssh_host_ed25519_key", f"root@{machine.name}")
    _trust(upper / "root", public_key, 0)
    users = {
        row[0]: int(row[2]) for row in (line.split(":") for line in (tree / "etc/passwd").read_text().splitlines())
    }
    for user in ("debian", "ops"):
        _trust(upper / "home" / user, public_key, users[user])
    done.symlink_to(tree)
