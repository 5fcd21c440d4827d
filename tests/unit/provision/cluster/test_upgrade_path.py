"""Which ways from one release to another there are, and that reset knows of every path that kprov writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from kprov.provision.cluster.sources import roles_folder
from kprov.provision.cluster.upgrading.checks import skew_problem


@pytest.mark.parametrize(
    ("now", "wanted", "said"),
    [
        ("0.1.0+aa", "0.1.0+bb", ""),
        ("0.1.0+aa", "0.1.7+bb", ""),
        ("0.1.9+aa", "0.2.0+bb", ""),
        ("", "0.2.0+bb", ""),
        ("0.2.0+aa", "0.1.9+bb", "--rollback"),
        ("0.1.1+aa", "0.1.0+bb", "--rollback"),
        ("0.1.0+aa", "0.3.0+bb", "skips a minor"),
        ("0.9.0+aa", "1.0.0+bb", "skips a minor"),
    ],
)
def test_the_way_of_a_machine(now: str, wanted: str, said: str) -> None:
    problem = skew_problem("w1", now, wanted)
    assert said in problem and bool(said) == bool(problem)


def test_every_path_that_a_role_writes_is_noted_before() -> None:
    noted = yaml.safe_load((roles_folder() / "machine/defaults/main.yml").read_text())["baseline_paths"]
    known = (*noted, "/etc/hosts", "/var/lib/kprov")  # a block that is taken out again; kprov's notes
    missing = []
    for tasks in sorted(roles_folder().glob("*/tasks/*.yml")):
        for path in re.findall(r"(?:dest|path): \"?(/[\w./-]+)", tasks.read_text()):
            if not any(path == each or path.startswith(f"{each}/") for each in known):
                missing.append(f"{tasks.relative_to(roles_folder())}: {path}")
    assert missing == []


def test_folders_of_the_system_are_not_taken_for_kprovs() -> None:
    noted = yaml.safe_load((roles_folder() / "machine/defaults/main.yml").read_text())["baseline_paths"]
    assert {str(Path(path)) for path in noted} == set(noted)
    assert not {"/etc", "/opt", "/run", "/var/lib", "/etc/systemd", "/etc/systemd/system", "/usr/lib"} & set(noted)
