"""What is fed with rubbish: each target takes bytes, and raises only when kprov would show a person a traceback.

A mistake must come as a problem with its file and line, and soon.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from fuzz_bounds import FOLDER, only
from fuzz_own_files import OWN_FILES

from kprov.cli import extra_vars
from kprov.cli.inventory import _plain
from kprov.provision.agent import wire
from kprov.provision.documents import is_folder
from kprov.provision.engine import documents
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.scope import NeedsResult, Scope, TemplateProblem
from kprov.provision.engine.templating import Templar
from kprov.provision.inventory import InventoryErrors, load, patterns, ranges, ssh_arguments
from kprov.provision.inventory.vagrant import VagrantError, import_vagrant
from kprov.provision.playbook import ansible_cfg, read_playbooks
from kprov.provision.transport.inbound import Inbound, Lie
from kprov.provision.vault import PasswordSource, Vault, VaultError

# Said of a file as a whole.
_WITHOUT_LINE = ("is larger than", "no such file", "is a folder", "is not a file", "has no hosts")

PASSWORD = FOLDER / "password"
PASSWORD.write_text("hush")


def vault() -> Vault:
    """A vault with the password of the samples."""
    return Vault([PasswordSource(path=PASSWORD)])


def _check_problems(problems: Any) -> None:
    assert problems
    for problem in problems:
        assert problem.file and problem.message, problem
        assert problem.line or any(words in problem.message for words in _WITHOUT_LINE), problem


def _load(name: str, data: bytes, cluster: bool | None) -> None:
    path = FOLDER / name
    path.write_bytes(data)
    try:
        found = load(path, cluster=cluster, vault=vault(), check_files=False)
    except InventoryErrors as errors:
        _check_problems(errors.problems)
        return
    for host in list(found.hosts.values())[:5]:
        json.dumps(_plain({"variables": host.variables, "groups": host.groups}), default=str)
        for variable in list(found.layers[host.name])[:5]:
            assert found.explain(host.name, variable).winner is not None
    found.match("all")


def inventory_yaml(data: bytes) -> None:
    """An inventory in YAML, as a cluster's, a plain one, and one of which it is not known."""
    _load("hosts.yaml", data[1:], (True, False, None)[data[0] % 3] if data else None)


def inventory_ini(data: bytes) -> None:
    """An inventory in INI."""
    _load("hosts.ini", data[1:], (True, False, None)[data[0] % 3] if data else None)


def inventory_of_any_kind(data: bytes) -> None:
    """An inventory whose name does not say what it is."""
    _load("hosts", data, None)


def group_vars(data: bytes) -> None:
    """A file of variables."""
    folder = FOLDER / "with_vars"
    (folder / "group_vars").mkdir(parents=True, exist_ok=True)
    (folder / "host_vars").mkdir(exist_ok=True)
    (folder / "hosts").write_text("[web]\nw1\n")
    (folder / "group_vars" / "web.yml").write_bytes(data)
    (folder / "host_vars" / "w1.json").write_bytes(data)
    try:
        load(folder, cluster=False, vault=vault(), check_files=False)
    except InventoryErrors as errors:
        _check_problems(errors.problems)


HOSTS = ["cp1", "cp2", "cp3", "node1", "10.0.0.1"]
MEMBERS = {"all": HOSTS, "etcd": HOSTS[:3], "node": HOSTS[3:], "ungrouped": []}


def pattern(data: bytes) -> None:
    """A pattern of hosts."""
    with only(ValueError):
        patterns.match(data.decode(errors="replace"), HOSTS, MEMBERS)


def host_range(data: bytes) -> None:
    """A range of hosts."""
    with only(ValueError):
        names, port = ranges.expand_hosts(data.decode(errors="replace"))
        assert len(names) <= 10_000 and (port is None or 0 < port < 65536)


def ssh_words(data: bytes) -> None:
    """Arguments of ssh."""
    ssh_arguments.parse(data.decode(errors="replace"))


def vault_file(data: bytes) -> None:
    """A vault."""
    with only(VaultError, begins="f: "):
        vault().decrypt(data, "f")


def vault_value(data: bytes) -> None:
    """A value that is a vault."""
    with only(VaultError):
        vault().open_value(data.decode(errors="replace"))


def extra_vars_text(data: bytes) -> None:
    """What stands after ``-e``."""
    with only(extra_vars.ExtraVarsError, VaultError):
        extra_vars.parse([data.decode(errors="replace").removeprefix("@")], vault())


def ssh_config(data: bytes) -> None:
    """What ``vagrant ssh-config`` printed."""
    path = FOLDER / "ssh-config"
    path.write_bytes(data)
    with only(VagrantError):
        import_vagrant(directory=FOLDER, ssh_config=path, addresses={}, cluster_name="c")


def ansible_cfg_file(data: bytes) -> None:
    """ansible.cfg, and what is looked for where it says."""
    path = FOLDER / "ansible.cfg"
    path.write_bytes(data)
    with only(ansible_cfg.AnsibleCfgError):
        found = ansible_cfg.read(path, FOLDER)
        for folder in (*found.roles_path, *found.collections_path):
            is_folder(folder / "r")
        for file in (found.inventory, found.private_key_file, found.vault_password_file):
            assert file is None or file.is_absolute()
        assert all(isinstance(name, str) and name for name in found.others)


def playbook(data: bytes) -> None:
    """A playbook."""
    path = FOLDER / "playbook.yml"
    path.write_bytes(data)
    problems = read_playbooks([path], vault()).problems
    if problems:
        _check_problems(problems)


def role(data: bytes) -> None:
    """A role's files: tasks, and the same bytes as its defaults, handlers and meta."""
    folder = FOLDER / "roles" / "r"
    for part in ("tasks", "defaults", "handlers", "meta"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / "main.yml").write_bytes(data if part == "tasks" or data[:1] == part[:1].encode() else b"")
    try:
        Roles((folder.parent,), strict=bool(data[-1:] and data[-1] % 2), vault=vault()).get("r")
    except documents.RoleErrors as errors:
        _check_problems(errors.problems)


TEMPLAR = Templar()
VARIABLES = {"a": 1, "text": "t", "list": [1, 2], "map": {"k": "{{ a }}"}, "ring": "{{ ring2 }}", "ring2": "{{ ring }}"}


def template(data: bytes) -> None:
    """A text with expressions."""
    with only(TemplateProblem, NeedsResult):
        TEMPLAR.render(data.decode(errors="replace"), Scope(TEMPLAR, [(VARIABLES, True)]))
    TEMPLAR.__init__()  # type: ignore[misc]  # nothing is remembered of millions of templates


def controllers_frames(data: bytes) -> None:
    """What the controller hears from a machine, in pieces."""
    inbound = Inbound(60.0)
    inbound.expect(1)
    inbound.expect(2)
    with only(Lie):
        for start in range(0, len(data), 7):
            for frame in inbound.feed(data[start : start + 7]):
                assert isinstance(frame, dict)


def agents_frames(data: bytes) -> None:
    """What the agent hears from the controller."""
    stream = io.BytesIO(data)
    with only(wire.BrokenStream, ValueError):
        while (frame := wire.read_text(stream)) is not None:
            assert isinstance(wire.decode(frame[0]), dict)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        inventory_yaml,
        inventory_ini,
        inventory_of_any_kind,
        group_vars,
        pattern,
        host_range,
        ssh_words,
        vault_file,
        vault_value,
        extra_vars_text,
        ssh_config,
        ansible_cfg_file,
        playbook,
        role,
        template,
        controllers_frames,
        agents_frames,
        *OWN_FILES,
    )
}
