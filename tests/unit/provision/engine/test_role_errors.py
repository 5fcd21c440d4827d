"""Roles that are wrong: every mistake found before anything is run, with file, line and the right word."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.provision.engine import RoleErrors

CASES = [
    ("- coppy: {dest: /x}", 1, "unknown keyword or module 'coppy'; did you mean 'copy'?"),
    ("- name: a\n  command: x\n  notfy: b", 3, "did you mean 'notify'?"),
    ("- copy:\n    dst: /x\n    content: a", 1, "copy has no parameter 'dst'; did you mean 'dest'?"),
    ("- copy: {content: a}", 1, "copy needs 'dest'"),
    ("- copy: {dest: /x}", 1, "copy needs one of src, content"),
    ("- file: {path: /x, state: dir}", 1, "'state' must be one of"),
    ("- file: {path: /x, mode: 644}", 1, 'write "0644"'),
    ("- command: a\n  copy: {dest: /x, content: a}", 2, "make two tasks"),
    ("- name: nothing", 1, "names no module"),
    ("- command: a\n  notify: Restrat", 1, "has no handler 'Restrat'; did you mean 'Restart'?"),
    ("- command: a\n  when: a ==", 1, "wrong syntax"),
    ("- command: echo {{ a", 1, "wrong syntax"),
    ("- template: {src: no.j2, dest: /x}", 1, "there is no template no.j2"),
    ("- template: {src: broken.j2, dest: /x}", 1, "broken.j2:2"),
    ("- command: a\n  debugger: always", 2, "kprov runs show"),
    ("- command: a\n  module_defaults: {cpoy: {mode: '0600'}}", 2, "did you mean 'copy'?"),
    ("- copy: {dest: /x}\n  module_defaults: {copy: {contnet: x}}", 1, "did you mean 'content'?"),
    ("- block:\n    - command: a\n  rescue: {}", 3, "must be a list of tasks"),
    ("- block:\n    - command: a\n  rescu: []", 3, "did you mean 'rescue'?"),
    ("- command: a\n  with_itemz: [a]", 2, "did you mean 'with_items'?"),
    ("- yum: {name: a}", 1, "kprov has no module 'yum'"),
    ("- include_tasks: mian.yml", 1, "did you mean 'main.yml'?"),
    ("- copy: a=b", 1, "has no parameter 'a'"),
    ("- copy: [a]", 1, "takes a mapping"),
    ("- name: a\n  name: b\n  command: c", 2, "appears twice"),
    ("- command: a\n  become: false", 2, "no effect"),
    ("a: b", 1, "list of tasks"),
    ("- name: x\n  shell: {{ y }}", 2, "needs quotes"),
]


@pytest.mark.parametrize(("tasks", "line", "words"), CASES)
def test_mistakes(workshop: Any, tasks: str, line: int, words: str) -> None:
    workshop.write("templates/r/broken.j2", "x\n{% if %}\n")
    workshop.role(tasks + "\n", handlers="- name: Restart\n  command: a\n")
    engine = workshop.engine(connect=False)
    with pytest.raises(RoleErrors) as caught:
        engine.validate_roles(["r"])
    problems = caught.value.problems
    assert any(words in str(problem) and problem.line == line for problem in problems)
    assert all(problem.file.startswith("roles/r/tasks/main.yml") for problem in problems)


def test_all_roles_are_looked_at(workshop: Any) -> None:
    workshop.role("- coppy: {}\n")
    workshop.role("- comand: x\n", name="other")
    with pytest.raises(RoleErrors) as caught:
        workshop.engine(connect=False).validate_roles(["r", "other", "othr"])
    assert len(caught.value.problems) == 3 and "did you mean 'other'?" in str(caught.value.problems[2])
