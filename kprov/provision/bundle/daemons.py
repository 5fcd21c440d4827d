"""kprov's own daemons: the package as it is installed here, with a launcher for each program."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import kprov
from kprov.debian.releases import Release
from kprov.provision.bundle.bytecode import compile_tree
from kprov.provision.bundle.contents import DAEMONS
from kprov.provision.bundle.errors import BundleError
from kprov.provision.bundle.manifest import Artifact
from kprov.provision.bundle.store import Store
from kprov.provision.bundle.tree_archive import pack

# Isolated from the machine's own Python packages and the caller's environment. The release is found by the real path:
# a daemon stays with the release that it started from when `current` moves on.
LAUNCHER = """\
#!/usr/bin/python3 -IS
import os, sys
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "lib"))
from {module} import main
sys.exit(main())
"""


def _package() -> Path:
    return Path(kprov.__file__).resolve().parent


def sources(package: Path | None = None) -> Iterator[Path]:
    """The files of kprov that the daemons are: nothing of the provisioning, which machines have no use for.

    Raises BundleError where generated stubs are missing, as in a checkout that was never installed.
    """
    root = package or _package()
    yield root / "__init__.py"
    for path in sorted((root / "kube").rglob("*")):
        if path.suffix == ".proto":
            stub = path.with_name(f"{path.stem}_pb2.py")
            if not stub.exists():
                raise BundleError(f"{stub} is missing; generate it with: python hatch_build.py")
        elif path.is_file() and path.suffix not in {".pyc", ".pyi"}:
            yield path


def digest(package: Path | None = None) -> str:
    """A hash over the daemons' files, their names and their launchers."""
    root = package or _package()
    total = hashlib.sha256(repr((LAUNCHER, sorted(DAEMONS.items()))).encode())
    for path in sources(root):
        total.update(f"\0{path.relative_to(root)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def version(libraries: dict[str, Artifact]) -> str:
    """The release's name: kprov's version and a short hash over all that is in it, the same for all machines."""
    parts = [digest(), *(libraries[number].sha256 for number in sorted(libraries))]
    return f"{kprov.__version__}+{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"


def gather(store: Store, release: Release) -> Artifact:
    """Pack the daemons for a release's Python. Returns their archive."""
    root = _package()
    with store.scratch() as folder:
        tree = folder / "tree"
        for path in sources(root):
            target = tree / "lib/kprov" / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        compile_tree(tree, release.python)
        programs = tree / "bin"
        programs.mkdir()
        for name, module in DAEMONS.items():
            (programs / name).write_text(LAUNCHER.format(module=module))
            (programs / name).chmod(0o755)
        archive = folder / "daemons.tar.gz"
        pack(tree, archive)
        return store.add(archive, f"kprov-daemons-debian{release.number}.tar.gz")
