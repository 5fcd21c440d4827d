"""A playbook as a test case: files in, what stands in the hosts' folders afterwards and who failed out.

What is expected was taken from ansible-core 2.19 running the same files; where kprov means to differ, the case says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kprov.provision.engine import Engine
from kprov.provision.engine.roles import Roles
from kprov.provision.inventory import load
from kprov.provision.playbook import Known, Options, PlaybookRun, read_playbooks
from kprov.provision.playbook.run import collections_paths, roles_paths

FOLDER = Path(__file__).parent / "cases"
HOSTS = ("h1", "h2")


@dataclass
class PlaybookCase:
    """One case file."""

    name: str
    files: dict[str, str]
    expect: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    args: dict[str, Any] = field(default_factory=dict)
    inventory: dict[str, Any] = field(default_factory=dict)
    differs: str = ""
    """What kprov does otherwise than Ansible, and why."""

    def write(self, folder: Path) -> None:
        """Write the case's files and an inventory of two hosts that are this machine."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "out").mkdir(exist_ok=True)
        hosts = {host: {"ansible_connection": "local", **self.inventory.get(host, {})} for host in HOSTS}
        group: dict[str, Any] = {"hosts": hosts, "vars": {"out": "{{ playbook_dir }}/out/{{ inventory_hostname }}"}}
        group["vars"].update(self.inventory.get("group", {}))
        (folder / "hosts.yaml").write_text(yaml.safe_dump({"all": {"children": {"web": group}}}))


def read_case(path: Path) -> PlaybookCase:
    """A case file."""
    return PlaybookCase(path.stem, **yaml.safe_load(path.read_text()))


def results(folder: Path) -> dict[str, str]:
    """What the hosts wrote, by path."""
    out = folder / "out"
    return {
        str(path.relative_to(out)): path.read_text().replace(str(folder), "FOLDER")
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def run_case(case: PlaybookCase, folder: Path, **options: Any) -> Engine:
    """Run it with kprov; the engine is closed and tells what became of the hosts."""
    case.write(folder)
    extra = case.args.get("extra_vars", {})
    inventory = load(folder / "hosts.yaml", extra, cluster=False, playbook_directory=folder)
    chosen = Options(tags=tuple(case.args.get("tags", ())), skip_tags=tuple(case.args.get("skip_tags", ())))
    book = read_playbooks([folder / "site.yml"], None, Known.of(inventory))
    folders = roles_paths(folder / "site.yml", (), [play.directory for play in book.plays])
    roles = Roles(folders, strict=False, beside=folder, collections_path=collections_paths(folder / "site.yml"))
    run = PlaybookRun(inventory, book, roles, chosen)
    run.check()
    with Engine(
        inventory,
        lock=False,
        state_directory=folder / "state",
        roles=roles,
        tags=chosen.tags,
        skip_tags=chosen.skip_tags,
        **options,
    ) as engine:
        run.run(engine, lambda line: None)
    return engine
