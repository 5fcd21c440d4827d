"""A playbook with secrets from every place that may be encrypted: they reach the machine, and nobody who watches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Kprov = Callable[..., Any]
SECRETS = {name: f"{name} may never be seen" for name in ("file", "inline", "host", "extra", "role")}

PLAYBOOK = """\
- hosts: web
  gather_facts: false
  become: false
  vars_files: [secret.yml]
  roles: [keeper]
  tasks:
    - copy: {content: "{{ all_of_them }}", dest: "{{ inventory_dir }}/out.txt", mode: "0600"}
    - command: echo {{ all_of_them | quote }}
      register: said
    - debug: {var: said}
    - debug: {msg: "{{ raw }}"}
    - fail: {msg: "{{ all_of_them }}"}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kprov: Kprov) -> Path:
    """An inventory, a playbook and a role with encrypted files and values."""
    password = tmp_path / "password"
    password.write_text("hush")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))

    def write(name: str, text: str, *, sealed: bool = False) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if sealed:
            assert kprov("vault", "encrypt", path).code == 0

    inline = kprov("vault", "encrypt-string", SECRETS["inline"], "-n", "inline").out
    everything = " ".join(f"{{{{ {name} }}}}" for name in SECRETS)
    write("hosts.ini", "[web]\nw1 ansible_connection=local\n")
    write("group_vars/web/plain.yml", f"{inline}all_of_them: '{everything}'\nraw: !unsafe '{{{{ no template }}}}'\n")
    write("host_vars/w1.yml", f"host: {SECRETS['host']}\n", sealed=True)
    write("secret.yml", f"file: {SECRETS['file']}\n", sealed=True)
    write("extra.yml", f"extra: {SECRETS['extra']}\n", sealed=True)
    write("roles/keeper/vars/main.yml", f"role: {SECRETS['role']}\n", sealed=True)
    write("roles/keeper/tasks/main.yml", "- debug: {var: role}\n")
    write("playbook.yml", PLAYBOOK)
    return tmp_path


@pytest.mark.parametrize("options", [["-v"], ["-o", "json"], ["--check", "--diff", "-vv"]])
def test_secrets_reach_the_machine_and_nobody_else(site: Path, kprov: Kprov, options: list[str]) -> None:
    done = kprov(
        "run", site / "playbook.yml", "-i", site / "hosts.ini", "-e", f"@{site / 'extra.yml'}", "--diff", *options
    )
    assert done.code == 1
    assert "{{ no template }}" in done.out
    kept = [path for path in (site / ".kprov").rglob("*") if path.is_file()]
    assert any(path.name == "journal.jsonl" for path in kept)
    everything = done.out + done.err + "".join(path.read_text() for path in kept)
    assert "may never be seen" not in everything
    if "--check" not in options:
        written = (site / "out.txt").read_text()
        assert all(SECRETS[name] in written for name in SECRETS)


def test_without_the_password_nothing_is_begun(site: Path, kprov: Kprov, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "password").write_text("loud")
    done = kprov("run", site / "playbook.yml", "-i", site / "hosts.ini")
    assert done.code == 2
    assert f"{site}/host_vars/w1.yml:1: can't be opened with the vault password" in done.err
    assert f"{site}/group_vars/web/plain.yml:1: inline can't be opened" in done.err
