"""Each file in ansible_cases/ is an inventory and what ansible-inventory makes of it: kprov makes the same of it.

``KPROV_UPDATE_ANSIBLE_CASES=1`` asks ansible-inventory anew and writes its answer into the files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kprov.provision.documents import Unsafe
from kprov.provision.inventory import Inventory, InventoryErrors, load
from kprov.provision.vault import PasswordSource, Vault

CASES = sorted((Path(__file__).parent / "ansible_cases").glob("*.yaml"))
UPDATE = os.environ.get("KPROV_UPDATE_ANSIBLE_CASES") == "1"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_it_means_what_it_means_to_ansible(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    lay_out(case, tmp_path)
    if UPDATE:
        case["ansible"] = ask_ansible(case, tmp_path)
        path.write_text(yaml.dump(case, Dumper=_Dumper, sort_keys=False, allow_unicode=True))
    assert ask_kprov(case, tmp_path) == case["ansible"]


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 30


def lay_out(case: dict[str, Any], folder: Path) -> None:
    """Write the case's files."""
    for name, text in case["files"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in case.get("programs", ()):
        (folder / name).chmod(0o755)


def ask_kprov(case: dict[str, Any], folder: Path) -> Any:
    """Groups and variables as kprov has them; ``refused`` where it refuses the inventory."""
    password = case.get("password")
    try:
        inventory = load(
            folder / case["inventory"],
            cluster=False,
            playbook_directory=folder / case["playbook"] if "playbook" in case else None,
            vault=Vault([PasswordSource(path=folder / password)] if password else ()),
            check_files=False,
        )
    except InventoryErrors as errors:
        return "refused" if all(problem.line for problem in errors.problems) else errors.problems
    groups = {
        name: sorted({*(group.hosts if name != "all" else ()), *(f"@{child}" for child in group.children)})
        for name, group in inventory.groups.items()
    }
    return _plain(groups, {host: _own_variables(inventory, host) for host in inventory.hosts})


def _own_variables(inventory: Inventory, host: str) -> dict[str, Any]:
    """What was written, without what kprov adds for itself."""
    values = {name: layers[-1].value for name, layers in inventory.layers[host].items()}
    return {name: {"__ansible_unsafe": value} if isinstance(value, Unsafe) else value for name, value in values.items()}


def ask_ansible(case: dict[str, Any], folder: Path) -> Any:
    """The same, from ansible-inventory."""
    command = [
        str(Path(sys.executable).with_name("ansible-inventory")),
        "-i",
        str(folder / case["inventory"]),
        "--list",
    ]
    if "playbook" in case:
        command += ["--playbook-dir", str(folder / case["playbook"])]
    if "password" in case:
        command += ["--vault-password-file", str(folder / case["password"])]
    environment = {**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        return "refused"
    found = json.loads(done.stdout)
    variables = found.pop("_meta")["hostvars"]
    groups = {
        name: sorted({*group.get("hosts", ()), *(f"@{child}" for child in group.get("children", ()))})
        for name, group in found.items()
    }
    return _plain(groups, variables)


def _plain(groups: dict[str, list[str]], variables: dict[str, dict[str, Any]]) -> Any:
    plain = {
        "groups": {name: members for name, members in sorted(groups.items()) if members},
        "variables": {host: dict(sorted(own.items())) for host, own in sorted(variables.items()) if own},
    }
    return json.loads(json.dumps(plain, default=str))


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
