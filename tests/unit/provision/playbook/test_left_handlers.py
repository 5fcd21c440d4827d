"""Handlers that a failed run left due: run by the next one, after the tasks, or given up aloud; never in the way."""

from __future__ import annotations

from pathlib import Path

from playbook_case import PlaybookCase, results, run_case

from kprov.provision.engine.reporter import SilentReporter

SITE = """
- hosts: h1
  gather_facts: false
  pre_tasks: [{file: {path: "{{ out }}", state: directory}}]
  tasks:
    - {copy: {dest: "{{ out }}/file", content: x}, register: copied, notify: [plain, with what changed]}
    - {set_fact: {changed_files: ["{{ copied.dest }}"]}, when: copied is changed}
    - {command: "test -e {{ playbook_dir }}/go", changed_when: false}
    - {shell: "echo tasks >> {{ out }}/log", changed_when: false}
  handlers:
    - {name: plain, shell: "echo plain >> {{ out }}/log"}
    - {name: with what changed, shell: "echo {{ item }} >> {{ out }}/log", loop: "{{ changed_files }}"}
"""


class Warned(SilentReporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def test_left_handlers(tmp_path: Path) -> None:
    case, warned = PlaybookCase("left", {"site.yml": SITE}), Warned()
    assert run_case(case, tmp_path).outcome() == "failed"
    assert "h1/log" not in results(tmp_path)
    assert run_case(case, tmp_path).outcome() == "failed"  # still due after a second failure
    (tmp_path / "go").touch()
    assert run_case(case, tmp_path, reporter=warned).outcome() == "ok"
    assert results(tmp_path)["h1/log"] == "tasks\nplain\n"
    (warning,) = warned.warnings
    assert "handler 'with what changed'" in warning and "changed_files" in warning
    warned.warnings.clear()
    assert run_case(case, tmp_path, reporter=warned).outcome() == "ok"
    assert results(tmp_path)["h1/log"] == "tasks\nplain\ntasks\n" and not warned.warnings
