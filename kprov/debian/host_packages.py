"""Packages that the controller lacks: installed by apt, only when a program is really missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

# apt-get puts system programs into sbin, which is not on every user's PATH.
_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/bin", "/bin"])


class MissingPrograms(RuntimeError):
    """The controller lacks programs and kprov could not install them."""


def is_there(what: str) -> bool:
    """Whether a program (by name) or a file (by absolute path) is on this machine."""
    return Path(what).exists() if what.startswith("/") else shutil.which(what, path=_SEARCH) is not None


def install_missing(needed: Mapping[str, str], *, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Install the packages whose program or file is missing.

    Args:
        needed: program name or absolute path -> the Debian package that has it.
        say: told what is being installed.

    Returns the packages installed. Raises MissingPrograms when apt is not there, refuses, or we are not root.
    """
    packages = sorted({package for what, package in needed.items() if not is_there(what)})
    if not packages:
        return []
    wanted = " ".join(packages)
    if os.geteuid() != 0 or not is_there("apt-get"):
        raise MissingPrograms(f"this machine lacks {wanted}; install with: sudo apt-get install {wanted}")
    say(f"installing {wanted}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    # Lists may be old or empty on a fresh machine: refresh them only when a first try fails.
    for command in (install, ["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if command is install and done.returncode == 0:
            return packages
    raise MissingPrograms(f"apt-get could not install {wanted}:\n{(done.stdout + done.stderr).strip()[-2000:]}")
