"""Inventories made at random mean to kprov what they mean to Ansible, which is asked in this process."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display
from ansible.vars.manager import VariableManager
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kprov.provision.inventory import InventoryErrors, load

constants.INVENTORY_ANY_UNPARSED_IS_FAILED = True
Display.verbosity = -1
Display.display = lambda *args, **kwargs: None

GROUPS = ["web", "db", "east", "west", "a_1", "all", "ungrouped"]
HOSTS = [
    "h1",
    "h2",
    "h3",
    "h[1:3]",
    "h[01:03:2]",
    "h[a:c].x",
    "10.0.0.1",
    "10.0.0.[1:2]",
    "n.example.org",
    "h1:2222",
    "x_y",
    "::1",
]
NAMES = ["v0", "v1", "v2", "v3", "ansible_port", "ansible_host", "ansible_group_priority"]
VALUES = [
    *(
        "1",
        "01",
        "1.5",
        "true",
        "True",
        "None",
        "yes",
        "a b",
        "a",
        "",
        "[1, 2]",
        "{'k': [1]}",
        "(1, 2)",
        "0x1f",
        "1_0",
        "-1",
        "1e3",
    ),
    *(
        '"quoted"',
        "'single'",
        "'it''s'",
        "a=b",
        "a#b",
        "a # b",
        ";x",
        "{{ v1 }}",
        "\\n",
        "é",
        "5",
        "22",
        "b'x'",
        "1j",
        "'[1]'",
        "x:y",
    ),
]


def a_folder(source: random.Random, folder: Path) -> Path:
    """An inventory: one file, or a folder of some, with files of variables."""
    several = source.random() < 0.4
    place = folder / "inventory" if several else folder
    place.mkdir(exist_ok=True)
    names = (
        source.sample(["a.ini", "b.yml", "c", "d.yaml", "e.ini", "f.cfg", "g~", ".h"], source.randint(1, 4))
        if several
        else ["hosts.ini"]
    )
    if not several and source.random() < 0.4:
        names = ["hosts.yml"]
    for name in names:
        (place / name).write_text(_yaml(source) if name.endswith(("yml", "yaml")) else _ini(source))
    for kind, owners in (("group_vars", GROUPS), ("host_vars", ["h1", "h2", "10.0.0.1", "n.example.org"])):
        for _ in range(source.choice((0, 0, 1, 3))):
            path = (
                place
                / kind
                / (
                    source.choice(owners)
                    + source.choice(("", ".yml", ".yaml", ".json", "/a.yml", "/b", "/.c", "/d.txt", "/e~"))
                )
            )
            path.parent.mkdir(parents=True, exist_ok=True) if not path.parent.is_file() else None
            if path.parent.is_dir() and not path.is_dir():
                path.write_text(
                    "".join(
                        f'"{name}": {source.choice(("1", "[a]", "{b: c}", "text", "~"))}\n'
                        for name in source.sample(NAMES[:4], 2)
                    )
                )
    return place if several else place / names[0]


def _ini(source: random.Random) -> str:
    lines = []
    for _ in range(source.randint(0, 5)):
        kind = source.choice(("", "", ":vars", ":children", ":kids"[: 20 * (source.random() < 0.03)]))
        lines.append(f"[{source.choice(GROUPS)}{kind}]{source.choice(('', '', ' # why'))}")
        for _ in range(source.randint(0, 4)):
            lines.append(_line(source, kind))
    if source.random() < 0.5:
        lines.insert(0, _line(source, ""))
    return "\n".join(lines) + "\n"


def _line(source: random.Random, kind: str) -> str:
    if source.random() < 0.1:
        return source.choice(("# comment", "; comment", "", "   "))
    match kind:
        case ":vars":
            return f"{source.choice(NAMES)}{source.choice(('=', ' = '))}{source.choice(VALUES)}"
        case ":children":
            return source.choice(GROUPS[:5])
    words = []
    for name in source.sample(NAMES, source.choice((0, 1, 1, 2))):
        value = source.choice(VALUES)
        words.append(f"{name}={value}" if source.random() < 0.8 else f'{name}="{value}"')
    return " ".join([source.choice(HOSTS), *words])


def _yaml(source: random.Random) -> str:
    import yaml

    # What Ansible makes of groups below "ungrouped" depends on the order of its own steps.
    return yaml.safe_dump(
        {name: _group(source, 2 * (name != "ungrouped")) for name in source.sample(GROUPS, source.randint(1, 3))}
    )


def _group(source: random.Random, depth: int) -> Any:
    def variables() -> dict[str, Any]:
        return {
            name: source.choice((1, "a", True, None, [1], {"k": "v"}, "{{ v1 }}"))
            for name in source.sample(NAMES[:4], 2)
        }

    group: dict[str, Any] = {}
    if source.random() < 0.7:
        group["hosts"] = {
            host: source.choice((None, {}, variables())) for host in source.sample(HOSTS, source.randint(0, 3))
        }
    if source.random() < 0.4:
        group["vars"] = variables()
    if depth and source.random() < 0.5:
        group["children"] = {
            name: _group(source, depth - 1) for name in source.sample(GROUPS[:5], source.randint(0, 2))
        }
    return group or None


def by_ansible(path: Path) -> Any:
    """Groups and variables, or ``refused``."""
    loader = DataLoader()
    try:
        inventory = InventoryManager(loader=loader, sources=[str(path)])
    except AnsibleError:
        return "refused"
    manager = VariableManager(loader=loader, inventory=inventory)
    variables = {}
    for host in inventory.get_hosts("all"):
        found = manager.get_vars(host=host, include_hostvars=False)
        variables[host.name] = {name: found[name] for name in NAMES if name in found}
    groups = {
        name: (sorted(host.name for host in group.hosts), sorted(child.name for child in group.child_groups))
        for name, group in inventory.groups.items()
    }
    return groups, variables


def by_kprov(path: Path) -> Any:
    """The same, from kprov."""
    try:
        inventory = load(path, cluster=False, check_files=False)
    except InventoryErrors as errors:
        return "refused", errors
    variables = {
        host: {name: layers[-1].value for name, layers in inventory.layers[host].items()} for host in inventory.hosts
    }
    groups = {name: (sorted(group.hosts), sorted(group.children)) for name, group in inventory.groups.items()}
    return groups, variables


def compare(seed: int) -> None:
    """One inventory; raises where the two do not agree."""
    with tempfile.TemporaryDirectory(prefix="kprov-random-", dir="/dev/shm") as folder:
        path = a_folder(random.Random(seed), Path(folder))
        ours, theirs = by_kprov(path), by_ansible(path)
        if ours[0] == "refused":
            # What kprov checks besides: how to connect must make sense, and there must be hosts.
            stricter = theirs != "refused" and (_only_stricter(ours[1]) or not theirs[1])
            ours = theirs if stricter else "refused"
        files = sorted(each for each in Path(folder).rglob("*") if each.is_file())
        text = "\n".join(f"--- {each}\n{each.read_text()}" for each in files)
        if "refused" not in (ours, theirs):
            for variables in theirs[1].values():
                variables.pop("ansible_group_priority", None)
            ours, theirs = _without_all(ours), _without_all(theirs)
        assert ours == theirs, f"seed {seed}\n{text}"


def _only_stricter(errors: InventoryErrors) -> bool:
    return all(
        problem.message.startswith(("ansible_port ", "ansible_host "))
        or "group_vars" in problem.file
        or "host_vars" in problem.file
        for problem in errors.problems
    )


def _without_all(found: Any) -> Any:
    """Ansible puts the hosts of ``all`` into it in some cases only; who is in it is the same."""
    groups, variables = found
    return {name: parts for name, parts in groups.items() if name != "all"}, variables


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64))
def test_inventories_made_at_random(seed: int) -> None:
    compare(seed)
