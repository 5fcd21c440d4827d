"""Playbooks that are wrong: all mistakes at once, with file, line and the right word, before a machine is contacted."""

from __future__ import annotations

from pathlib import Path

import pytest
from playbook_case import PlaybookCase, run_case

from kprov.provision.engine import RoleErrors

# (what follows `- hosts: web`, the line, the words)
CASES = [
    ("  gather_fact: true", 2, "did you mean 'gather_facts'?"),
    ("  strategy: debug", 2, "it has free, host_pinned, linear"),
    ("  serial: half", 2, "neither a number of hosts nor a percentage"),
    ("  module_defaults: {group/aws: {region: x}}", 2, "name the modules one by one"),
    ("  module_defaults: {copy: '{{ x }}'}", 2, "write a template for each of them"),
    ("  module_defaults: {copy: all}", 2, "the parameters of copy must be a mapping"),
    ("  module_defaults: [copy]", 2, "must be a mapping of modules to their parameters"),
    ("  module_defaults: {nosuch: {}}", 2, "names no module: nosuch"),
    ("  module_defaults: {setup: {fact_path: /x}}", 2, "has no parameter 'fact_path'"),
    ("  module_defaults: {file: {mode: '0600'}}\n  tasks:\n    - file: {state: touch}", 4, "needs 'path'"),
    ("  ignore_unreachable: perhaps", 2, "must be true or false"),
    ("  vars_files: [none.yml]", 1, "there is no none.yml"),
    ("  roles: [nobody]", 2, "there is no role 'nobody'"),
    ("  roles: [{src: x}]", 2, "is brought by ansible-galaxy"),
    ("  roles: [{role: r, wen: true}, broken]", 2, "there is no role 'broken'"),
    ("  tasks: {}", 2, "must be a list of tasks"),
    ("  tasks:\n    - cpoy: {dest: /x}", 3, "did you mean 'copy'?"),
    ("  tasks:\n    - command: a\n      notify: Nobody", 3, "there is no handler 'Nobody'"),
    ("  tasks:\n    - include_tasks: none.yml", 3, "there is no none.yml"),
    ("  tasks:\n    - import_role: {name: none}", 3, "there is no role 'none'"),
    ("  tasks:\n    - command: a\n      async: soon\n      poll: 0", 4, "must be a number"),
    ("  tasks:\n    - command: a\n      become_method: su", 4, "it is sudo"),
    ("  tasks:\n    - command: a\n      retries: many", 4, "must be a number"),
    ("  tasks:\n    - debug: {msg: '{{ a | nofilter }}'}", 3, "No filter named 'nofilter'"),
    ("  tasks:\n    - copy: {dst: /x, content: a}", 3, "did you mean 'dest'?"),
    ("  tasks:\n    - command: a\n      when: a ==", 3, "wrong syntax"),
    ("  tasks:\n    - command: a\n      connection: winrm", 4, "it has local, paramiko, paramiko_ssh, smart, ssh"),
    (
        "  tasks:\n    - command: a\n      connection: local\n      delegate_to: h2",
        4,
        "does not go with delegate_to 'h2'",
    ),
    ("  collections: [ansible.posix, some.thing]", 2, "collections are not searched (some.thing)"),
    ("  serial: '{{ many }}'", 2, "'serial' of the play: 'many' is undefined"),
    ("  any_errors_fatal: '{{ 3 }}'", 2, "must be true or false at a play, not '3'"),
    ("  roles: ['{{ some }}']", 2, "the role's name: 'some' is undefined"),
    ("  roles: [deep/none]", 2, "there is no role 'deep/none'"),
    ("- hosts: '{{ ansible_host }}'", 2, "a play's keywords see what -e says"),
    ("- import_playbook: '{{ which }}.yml'", 2, "'which' is undefined"),
    ("  tasks:\n    - template: {src: odd.j2, dest: /x}", 3, "template odd.j2 can't be compiled"),
    (f"  tasks:\n    - debug: {{msg: '{{{{ 1 + {'9' * 5000} }}}}'}}", 3, "Exceeds the limit (4300 digits)"),
    ("- import_playbook: site.yml", 2, "playbooks import each other without an end"),
    ("- import_playbook: none.yml", 2, "there is no playbook"),
    ("- hosts: wbe", 2, "no host or group is named wbe"),
]


@pytest.mark.parametrize(("text", "line", "words"), CASES)
def test_each_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    files = {"site.yml": f"- hosts: web\n{text}\n", "roles/r/tasks/main.yml": "[]", "odd.j2": "#jinja2: no_such: 1\n"}
    case = PlaybookCase("mistake", files)
    with pytest.raises(RoleErrors) as caught:
        run_case(case, tmp_path)
    told = [(problem.line, str(problem)) for problem in caught.value.problems]
    assert any(words in message and at == line for at, message in told), told


def test_all_at_once(tmp_path: Path) -> None:
    tasks = "  tasks:\n    - cpoy: {}\n    - command: a\n      notify: Nobody\n"
    text = f"- hosts: wbe\n  serial: half\n{tasks}  roles: [none]\n"
    with pytest.raises(RoleErrors) as caught:
        run_case(PlaybookCase("many", {"site.yml": text}), tmp_path)
    assert len(caught.value.problems) == 5


ROLE = """
- {file: {path: '{{ out }}', state: directory}}
- {shell: 'echo begun >> {{ out }}/log'}
- {yum: {name: a}, when: CONDITION}
"""


@pytest.mark.parametrize("condition", ["ansible_os_family == 'RedHat'", "false", "ansible_facts.os_family == 'X'"])
def test_a_module_that_is_not_there_is_no_obstacle_where_it_would_not_run(tmp_path: Path, condition: str) -> None:
    files = {"site.yml": "- hosts: web\n  roles: [r]\n", "roles/r/tasks/main.yml": ROLE.replace("CONDITION", condition)}
    engine = run_case(PlaybookCase("other", files), tmp_path)
    assert engine.outcome() == "ok" and (tmp_path / "out" / "h1" / "log").exists()


@pytest.mark.parametrize(
    "loop",
    [
        "loop: '{{ names | default([]) }}'",
        "with_items: '{{ ansible_facts.nothing | default([]) }}'",
        "loop: [{due: false}, {}]\n  when: item.due | default(false)",
        "with_subelements: [[], users]",
    ],
)
def test_a_loop_over_nothing_is_no_obstacle(tmp_path: Path, loop: str) -> None:
    tasks = ROLE.replace("- {yum: {name: a}, when: CONDITION}", f"- yum: {{name: a}}\n  {loop}")
    files = {"site.yml": "- hosts: web\n  roles: [r]\n", "roles/r/tasks/main.yml": tasks}
    engine = run_case(PlaybookCase("other", files), tmp_path)
    assert engine.outcome() == "ok"


def test_a_loop_with_one_round_that_is_due_is_one(tmp_path: Path) -> None:
    loop = "loop: [{due: false}, {due: true}]\n  when: item.due"
    tasks = ROLE.replace("- {yum: {name: a}, when: CONDITION}", f"- yum: {{name: a}}\n  {loop}")
    with pytest.raises(RoleErrors, match=r"no module 'yum' \(.*write package or apt.*\); it would run on h1, h2"):
        run_case(
            PlaybookCase("o", {"site.yml": "- hosts: web\n  roles: [r]\n", "roles/r/tasks/main.yml": tasks}), tmp_path
        )


@pytest.mark.parametrize("condition", ["true", "inventory_hostname == 'h2'", "ansible_facts.os_family is defined"])
def test_a_module_that_is_not_there_stops_all_before_anything_is_done(tmp_path: Path, condition: str) -> None:
    files = {"site.yml": "- hosts: web\n  roles: [r]\n", "roles/r/tasks/main.yml": ROLE.replace("CONDITION", condition)}
    with pytest.raises(RoleErrors) as caught:
        run_case(PlaybookCase("other", files), tmp_path)
    assert "a condition on ansible_os_family); it would run on h" in str(caught.value.problems[0])
    assert not (tmp_path / "out" / "h1").exists()


def test_where_only_the_run_can_tell_the_host_that_comes_to_it_fails(tmp_path: Path) -> None:
    tasks = ROLE.replace("- {yum", "- {command: echo yes, register: said}\n- {yum").replace(
        "CONDITION", "said.stdout == 'yes' and inventory_hostname == 'h1'"
    )
    files = {"site.yml": "- hosts: web\n  roles: [r]\n", "roles/r/tasks/main.yml": tasks}
    engine = run_case(PlaybookCase("other", files), tmp_path)
    summary = engine.summary()
    assert summary["h1"].failed == 1 and not summary["h2"].failed


def test_check_mode_changes_nothing(tmp_path: Path) -> None:
    files = {"site.yml": "- hosts: web\n  tasks:\n    - {file: {path: '{{ out }}/x', state: directory}}\n"}
    engine = run_case(PlaybookCase("check", files), tmp_path, check=True)
    assert engine.summary()["h1"].changed == 1
    assert not (tmp_path / "out" / "h1").exists()
