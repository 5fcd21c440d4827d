"""Compiles a tree for the Python that will run it, where the controller has that Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def interpreter_of(minor: str) -> str | None:
    """An interpreter of that minor version ("3.11") on this machine, or None."""
    if minor == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    return shutil.which(f"python{minor}")


def compile_tree(tree: Path, minor: str) -> bool:
    """Write the .pyc files of a tree. Returns whether there was an interpreter to do it.

    They are not checked against their sources when loaded: a release never changes once it is laid down, and
    every start of every daemon would pay for the look.
    """
    interpreter = interpreter_of(minor)
    if interpreter is None:
        return False
    # Some libraries carry files for other versions, that do not compile; they are never imported either.
    options = ["-q", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", "/"]
    subprocess.run([interpreter, "-I", "-m", "compileall", *options, str(tree)], capture_output=True, check=False)
    return True
