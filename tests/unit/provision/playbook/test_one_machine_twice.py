"""Two names for one machine: each is a host of the play, as in Ansible, and the run has the machine's lock once."""

from __future__ import annotations

from pathlib import Path

from playbook_case import PlaybookCase, results

from kprov.provision.engine import Engine
from kprov.provision.engine.roles import Roles
from kprov.provision.inventory import load
from kprov.provision.playbook import PlaybookRun, read_playbooks

SITE = """
- hosts: web
  gather_facts: false
  tasks:
    - {file: {path: "{{ out }}", state: directory}}
    - {copy: {content: "{{ inventory_hostname }}", dest: "{{ out }}/name"}}
- hosts: localhost
  gather_facts: false
  tasks:
    - {copy: {content: "{{ groups.web }}", dest: "{{ playbook_dir }}/out/local"}}
"""


def test_both_names_take_part(tmp_path: Path) -> None:
    PlaybookCase("twice", {"site.yml": SITE}).write(tmp_path)
    inventory = load(tmp_path / "hosts.yaml", cluster=False, playbook_directory=tmp_path)
    roles = Roles(tmp_path / "roles", strict=False)
    run = PlaybookRun(inventory, read_playbooks([tmp_path / "site.yml"]), roles)
    run.check()
    lock = tmp_path / "lock"
    with Engine(inventory, lock_path=str(lock), state_directory=tmp_path / "state", roles=roles) as engine:
        run.run(engine, lambda line: None)
        assert lock.exists()
    assert engine.outcome() == "ok", engine.summary()
    assert results(tmp_path) == {"h1/name": "h1", "h2/name": "h2", "local": '["h1", "h2"]'}
    assert not lock.exists()
