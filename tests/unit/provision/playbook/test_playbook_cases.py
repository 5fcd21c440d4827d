"""Playbooks do what Ansible does with them: each file in cases/ is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from playbook_case import FOLDER, HOSTS, read_case, results, run_case


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_as_ansible_does_it(path: Path, tmp_path: Path) -> None:
    case = read_case(path)
    engine = run_case(case, tmp_path)
    assert results(tmp_path) == case.expect
    summary = engine.summary()
    assert [name for name in HOSTS if name in summary and summary[name].failed] == case.failed, summary
