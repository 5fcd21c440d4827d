"""The libraries of kprov's daemons: wheels for the machines' Python, unpacked and slimmed into one archive."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

from kprov.debian.releases import Release
from kprov.provision.bundle.bytecode import compile_tree, interpreter_of
from kprov.provision.bundle.contents import EXTRA
from kprov.provision.bundle.errors import BundleError
from kprov.provision.bundle.manifest import Artifact
from kprov.provision.bundle.store import Store
from kprov.provision.bundle.tree_archive import pack

# The machines' glibc is 2.36 or later; pip wants each older tag named.
_PLATFORMS = ("manylinux_2_36_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")

# Never read by a running daemon: tests, type stubs, sources of what is compiled, headers, programs.
_UNUSED_FOLDERS = {"tests", "test", "testing", "include", "bin", "f2py", "__pycache__"}
_UNUSED_FILES = {".pyi", ".pyx", ".pxd", ".pxi", ".c", ".cc", ".cpp", ".h", ".hpp", ".a", ".tmpl", ".in"}
# kubernetes-validate has the schemas of every version; the daemons speak this one.
_SCHEMAS = "kubernetes_validate/kubernetes-json-schema"
_SCHEMA_VERSION = "v1.32.0"
_VERSION = 1  # raise it when what is done to the libraries changes


def requirements(lines: list[str] | None = None) -> list[str]:
    """The pinned requirements of the daemons, as kprov's own distribution lists them.

    Args:
        lines: the distribution's requirements (given in tests).
    """
    if lines is None:
        lines = importlib.metadata.requires("kprov") or []
    marker = f'extra == "{EXTRA}"'
    found = [line.partition(";") for line in lines if line.replace("'", '"').endswith(marker)]
    if not found:
        raise BundleError("kprov's installation lists no requirements of its daemons; install it again with pip")
    return sorted(requirement.strip() for requirement, _, _ in found)


def key_of(release: Release) -> str:
    """What the libraries of a release are made from."""
    recipe = [_VERSION, requirements(), release.python, bool(interpreter_of(release.python)), _SCHEMA_VERSION]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()


def gather(store: Store, release: Release) -> Artifact:
    """Fetch, unpack and slim the libraries for a release's Python. Returns their archive.

    Raises BundleError with pip's words when a wheel is not to be had.
    """
    wheels = store.cache / f"wheels-{release.python}"
    target = ["--only-binary=:all:", "--implementation", "cp", "--python-version", release.python]
    target += [word for platform in _PLATFORMS for word in ("--platform", platform)]
    with store.scratch() as folder:
        listing = folder / "requirements.txt"
        listing.write_text("\n".join(requirements()) + "\n")
        found = ["--find-links", str(wheels)] if wheels.is_dir() else []
        fresh = folder / "wheels"
        _pip("download", *target, *found, "--dest", str(fresh), "--requirement", str(listing))
        tree = folder / "tree"
        library = tree / "lib"
        files = sorted(str(path) for path in fresh.glob("*.whl"))
        _pip("install", *target, "--no-deps", "--no-index", "--no-compile", "--target", str(library), *files)
        shutil.rmtree(wheels, ignore_errors=True)
        fresh.rename(wheels)  # the next build finds here what it needs again
        slim(library)
        compile_tree(tree, release.python)
        archive = folder / "libraries.tar.gz"
        pack(tree, archive)
        return store.add(archive, f"kprov-libraries-debian{release.number}.tar.gz")


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
        raise BundleError(f"pip {arguments[0]} failed: " + "\n".join(errors)[-2000:])


def slim(library: Path) -> None:
    """Take out of installed libraries what no running daemon reads."""
    for path in sorted(library.rglob("*"), reverse=True):
        relative = path.relative_to(library)
        if path.is_dir() and not path.is_symlink():
            schemas = str(relative.parent) == _SCHEMAS and not path.name.startswith(f"{_SCHEMA_VERSION}-")
            # numpy.testing and friends are imported by nobody here; a package called "test" at the top would be one.
            if schemas or (path.name in _UNUSED_FOLDERS and (relative.parent.name or path.name == "bin")):
                shutil.rmtree(path)
        elif path.suffix in _UNUSED_FILES or path.name == "RECORD":
            path.unlink()
