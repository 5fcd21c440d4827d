"""The commands of a page for users, in its order, and the sample inventory as one fills it in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kprov.lab.layout import Layout

CHECKOUT = Path(__file__).resolve().parents[2]
GUIDE = CHECKOUT / "docs/bare-metal.md"
SAMPLE = CHECKOUT / "inventories/bare-metal.yaml"


@dataclass(frozen=True)
class Command:
    """A line to type: what it says, below which heading, and in which line of the page."""

    line: str
    section: str
    number: int

    @property
    def words(self) -> str:
        """Without what only names files and machines: what another test that runs it is found by."""
        return re.sub(r" -i \S+", "", self.line)


def commands(page: Path = GUIDE) -> Iterator[Command]:
    """Every line of a page's code blocks that calls kprov."""
    section = ""
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.startswith("#"):
            section = line.lstrip("# ")
        elif line.startswith("    kprov "):
            yield Command(line.split("  #")[0].strip(), section, number)


def filled_in(layout: Layout, key: Path, names: dict[str, str]) -> str:
    """The sample with the machines of a lab in it, and nothing else changed that a person would leave.

    Args:
        layout: the lab.
        key: the private key that its machines let in.
        names: by machine of the sample, that of the lab. Those that are missing are taken out.
    """
    data = yaml.safe_load(SAMPLE.read_text())
    variables, hosts, groups = (data["all"][part] for part in ("vars", "hosts", "children"))
    variables |= {"api_virtual_address": layout.api_virtual_address, "ansible_ssh_private_key_file": str(key)}
    data["all"]["hosts"] = {
        name: _moved(about, layout.machine(names[name]).address) for name, about in hosts.items() if name in names
    }
    for group in groups.values():
        group["hosts"] = {name: None for name in names if any(_covers(each, name) for each in group["hosts"])}
    return yaml.safe_dump(data, sort_keys=False)


def _moved(about: dict[str, Any], address: str) -> dict[str, Any]:
    return {**about, **{key: address for key in ("ansible_host", "node_address") if key in about}}


def _covers(pattern: str, name: str) -> bool:
    """Whether ``cp[1:3]`` means a name."""
    found = re.fullmatch(r"(\w+)\[(\d+):(\d+)\]", pattern)
    if found is None:
        return pattern == name
    word, first, last = found.groups()
    return name in [f"{word}{number}" for number in range(int(first), int(last) + 1)]
