"""kubectl 1.20 as Debian 12 packages it, beside whatever kubectl this machine has."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from kprov.debian.releases import RELEASES
from kprov.provision.bundle.bundle import default_directory
from kprov.provision.bundle.private_apt import PrivateApt

_PACKAGE = "kubernetes-client"


def debian_12_kubectl() -> str:
    """The program's path. Fetched once, from Debian's archive, into kprov's cache.

    Unpacked and not installed: the package conflicts with those of newer kubectls.
    """
    folder = default_directory().parent / "tests/debian-12-kubectl"
    program = folder / "usr/bin/kubectl"
    if not program.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            apt = PrivateApt(Path(scratch) / "apt", RELEASES["12"])
            apt.refresh()
            apt.download([each for each in apt.resolve([_PACKAGE]) if each.name == _PACKAGE], Path(scratch))
            (package,) = Path(scratch).glob(f"{_PACKAGE}_*.deb")
            subprocess.run(["dpkg-deb", "--extract", package, Path(scratch) / "root"], check=True)
            (Path(scratch) / "root").rename(folder)
    return str(program)
