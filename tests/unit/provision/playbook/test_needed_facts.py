"""Facts are gathered where something reads them, and then at the latest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.engine.documents import Problem
from kprov.provision.engine.roles import Roles
from kprov.provision.playbook import read_playbooks
from kprov.provision.playbook.checks import look_at
from kprov.provision.playbook.needed_facts import reads_facts

ROLE = "roles/web"


def reads(folder: Path, files: dict[str, str], **variables: Any) -> bool:
    texts = {f"{ROLE}/tasks/main.yml": "- ping:\n", "site.yaml": "- hosts: all\n  roles: [web]\n", **files}
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    site = folder / "site.yaml"
    roles = Roles([folder / "roles"], strict=False, beside=folder)
    problems: list[Problem] = []
    plays = [look_at(play, roles, problems) for play in read_playbooks([site], None).plays]
    assert not problems
    inventory: Any = SimpleNamespace(hosts={"a": SimpleNamespace(variables=variables)})
    return reads_facts(plays, inventory)


@pytest.mark.parametrize(
    "files",
    [
        {f"{ROLE}/tasks/main.yml": "- debug: {msg: '{{ ansible_distribution }}'}\n"},
        {f"{ROLE}/tasks/main.yml": "- ping:\n  when: ansible_facts.os_family == 'Debian'\n"},
        {f"{ROLE}/templates/a.j2": "{{ hostvars[other].x }}\n"},
        {f"{ROLE}/defaults/main.yml": "memory: '{{ ansible_memtotal_mb // 2 }}'\n"},
        {f"{ROLE}/handlers/main.yml": "- name: h\n  debug: {msg: '{{ kprov_packages }}'}\n"},
        {"site.yaml": "- hosts: all\n  roles: [web]\n  tasks:\n  - debug: {var: ansible_default_ipv4.address}\n"},
        {
            f"{ROLE}/tasks/main.yml": "- include_tasks: '{{ x }}.yml'\n",
            f"{ROLE}/tasks/b.yml": "- debug: {var: ansible_mounts}\n",
        },
        {"site.yaml": "- hosts: all\n  vars_files: ['{{ anything }}.yml']\n  roles: [web]\n"},
    ],
)
def test_something_reads_facts(files: dict[str, str], tmp_path: Path) -> None:
    assert reads(tmp_path, files)


def test_an_inventory_variable_reads_facts(tmp_path: Path) -> None:
    assert reads(tmp_path, {}, listen=["{{ ansible_default_ipv4.address }}:80"])


def test_nothing_reads_facts(tmp_path: Path) -> None:
    text = "- debug: {msg: '{{ ansible_host }} {{ ansible_check_mode }} {{ inventory_hostname }}'}\n"
    assert not reads(tmp_path, {f"{ROLE}/tasks/main.yml": text}, ansible_host="10.0.0.1", plain="ansible_distribution")
