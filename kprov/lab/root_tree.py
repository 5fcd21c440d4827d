"""The root tree that machines of one release share: made once by mmdebstrap, kept in the cache, never written again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from kprov.debian.apt_settings import fetch_settings
from kprov.debian.mirrors import host_mirrors
from kprov.debian.releases import RELEASES, Release
from kprov.lab.errors import LabError
from kprov.lab.state import CACHE, STATE_ROOT

# What a bare machine has: an init, a message bus for it, sshd, python3, an address tool, sudo. Nothing of ours.
# Debian 13's systemd calls itself degraded without kmod, which every real machine has.
PACKAGES = ("systemd", "systemd-sysv", "dbus", "openssh-server", "python3", "iproute2", "sudo", "kmod")

# Jobs that would run on their own time, hold dpkg's lock or wait for a console that is not there.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
)
_VERSION = 3  # raise it when the recipe below changes


def key_of(release: Release) -> str:
    """The cache's name for a release's tree: changes with the packages and with the recipe."""
    recipe = json.dumps([_VERSION, release.codename, PACKAGES, MASKED])
    return f"debian{release.number}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def _hooks() -> list[str]:
    """Shell lines that mmdebstrap runs with the tree's path in $1."""
    return [
        # Host keys and the id belong to a machine, not to the tree that machines share.
        'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/machine-id "$1"/var/lib/dbus/machine-id',
        'rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/*',
        f'for unit in {" ".join(MASKED)}; do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done',
        # "debian" may do all without a password, "ops" with the password "lab": both ways of becoming root.
        'chroot "$1" useradd --create-home --shell /bin/bash debian',
        'chroot "$1" useradd --create-home --shell /bin/bash ops',
        'echo ops:lab | chroot "$1" chpasswd',
        "printf '%s\\n' 'debian ALL=(ALL:ALL) NOPASSWD: ALL' 'ops ALL=(ALL:ALL) ALL' "
        '> "$1"/etc/sudoers.d/lab && chmod 0440 "$1"/etc/sudoers.d/lab',
        "printf '%s\\n' 'PasswordAuthentication no' 'PermitRootLogin prohibit-password' "
        '> "$1"/etc/ssh/sshd_config.d/lab.conf',
    ]


def _command(release: Release, target: Path) -> list[str]:
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += [f'--aptopt={name} "{value}"' for name, value in fetch_settings().items()]
    command += [f"--customize-hook={hook}" for hook in _hooks()]
    # A namespace of its own, so that an interrupted build leaves no mount, and every child dies with its parent.
    private = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    return [*private, *command, release.codename, str(target), *host_mirrors().source_lines(release)]


def _prune(cache: Path, number: str) -> None:
    """Remove trees that an older recipe made, except those that a machine of some lab still stands on."""
    in_use = {disk.readlink() for disk in STATE_ROOT.glob("lab*/machines/*/tree")}
    for stale in cache.glob(f"debian{number}-*"):
        if stale not in in_use:
            shutil.rmtree(stale)


def root_tree(number: str, *, cache: Path = CACHE, say: Callable[[str], None] = lambda _: None) -> Path:
    """The root tree of a release, built now if the cache lacks it.

    Args:
        number: the release ("12").
        cache: where trees are kept.
        say: told what is being built.

    Raises LabError with mmdebstrap's last words when the tree cannot be built.
    """
    release = RELEASES[number]
    tree = cache / key_of(release)
    if tree.is_dir():
        return tree
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f".debian{number}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if tree.is_dir():  # another lab built it while we waited
            return tree
        _prune(cache, number)
        say(f"building the root tree of Debian {number}")
        partial = tree.with_suffix(".partial")
        done = subprocess.run(_command(release, partial), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise LabError(f"mmdebstrap could not make Debian {number}:\n{done.stderr.strip()[-2000:]}")
        partial.rename(tree)
    return tree
