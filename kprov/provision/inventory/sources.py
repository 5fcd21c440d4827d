"""Finds out what an inventory's path is (a file, a program, a folder of them, a list of names) and reads all of it.

Source: Ansible's inventory guide, "Organizing inventory in a directory": the files of a folder are read in the order
of their names, hidden files, ``group_vars``, ``host_vars`` and files with certain endings are not.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from kprov.provision.documents import Unreadable, compose, decode
from kprov.provision.inventory import ranges
from kprov.provision.inventory.document import Document
from kprov.provision.inventory.groups import UNGROUPED, Tree
from kprov.provision.inventory.ini_source import IniSource
from kprov.provision.inventory.problems import Location, ProblemLog
from kprov.provision.inventory.script_source import ScriptSource, is_program
from kprov.provision.inventory.text_file import TextFile
from kprov.provision.inventory.yaml_source import YamlSource, looks_like_yaml
from kprov.provision.vault import Vault

_YAML = (".yaml", ".yml", ".json")
_NEVER_READ = re.compile(r"^\.|^(host_vars|group_vars|vars_plugins)$")
_IGNORED_ENDINGS = ("~", ".pyc", ".pyo", ".swp", ".bak", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
_DEEPEST_FOLDER = 20


def read_sources(path: Path, log: ProblemLog, vault: Vault) -> Tree:
    """Read everything that ``path`` stands for. What is wrong goes to ``log``."""
    tree = Tree(Location(str(path), 1))
    if is_list(path):
        _read_list(path, tree, log)
    elif path.is_dir():
        files = _files_of(path, log)
        for file in files:
            _read_file(TextFile(file, str(file), log, vault), tree)
        if not files:
            log.add(Location(str(path)), "is a folder without an inventory", "give the path of an inventory with -i")
    else:
        _read_file(TextFile(path, str(path), log, vault), tree)
    tree.finish(log)
    return tree


def is_list(path: Path) -> bool:
    """Whether an inventory is a list of hosts itself, which Ansible tells by a comma: ``-i cp1,cp2`` or ``-i cp1,``."""
    return "," in str(path) and not os.path.lexists(path)


def folder_of(path: Path) -> Path:
    """The folder that an inventory's relative paths, ``group_vars`` and ``host_vars`` begin at."""
    if is_list(path):
        return Path.cwd()
    return path.absolute() if path.is_dir() else path.absolute().parent


def _read_list(path: Path, tree: Tree, log: ProblemLog) -> None:
    at = Location("--inventory")
    for word in str(path).split(","):
        if not word.strip():
            continue
        try:
            names, port = ranges.expand_hosts(word.strip())
        except ValueError as error:
            log.add(at, f"host {word.strip()}: {error}")
            continue
        tree.add_hosts(names, UNGROUPED, at, {}, port)


def _files_of(folder: Path, log: ProblemLog, above: tuple[Path, ...] = ()) -> list[Path]:
    real = folder.resolve()
    if real in above or len(above) >= _DEEPEST_FOLDER:
        log.add(Location(str(folder)), "is a folder that leads back into itself, or is too deep", "take the link out")
        return []
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        log.add(Location(str(folder)), f"can't be read: {error.strerror}")
        return []
    found: list[Path] = []
    for entry in entries:
        if _NEVER_READ.search(entry.name) or entry.name.endswith(_IGNORED_ENDINGS):
            continue
        found += _files_of(entry, log, (*above, real)) if entry.is_dir() else [entry]
    return found


def _read_file(source: TextFile, tree: Tree) -> None:
    ending = source.path.suffix
    if ending == ".toml":
        source.log.add(
            Location(source.shown),
            "is TOML, which is not read as an inventory",
            "save it as YAML: ansible-inventory -i FILE --list --yaml > inventory.yaml",
        )
        return
    data = source.data()
    if data is None:
        return
    if not source.is_secret and is_program(source.path, data):
        ScriptSource(source, tree).read()
        return
    try:
        text = decode(data)
    except Unreadable as error:
        if ending in _YAML or error.line is None or error.suggestion is None:
            source.log.add(Location(source.shown, error.line), error.reason, error.suggestion)
            return
        ini = _without_foreign_comments(data)
        if ini is None:
            source.log.add(Location(source.shown, error.line), error.reason, error.suggestion)
            return
        text = ini
    if ending in _YAML or (not ending and _is_yaml(text)):
        YamlSource(Document(source, text), tree).read()
    else:
        IniSource(source, tree).read(text)


def _is_yaml(text: str) -> bool:
    if not looks_like_yaml(text):
        return False
    first = next((line for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;"), "")
    if first.strip() == "---":
        return True
    # "web:2222" on INI's first line looks like a mapping's key too.
    try:
        root = compose(text)
    except Unreadable:
        return not re.search(r"^\s*\[[^\]]+\]\s*$", text, re.MULTILINE)
    return root is not None and root.tag == "tag:yaml.org,2002:map"


def _without_foreign_comments(data: bytes) -> str | None:
    """The text of an INI file whose comments are in another encoding, which Ansible takes; None if more is."""
    lines = [b"" if line.lstrip()[:1] in (b"#", b";") else line for line in data.splitlines()]
    try:
        return b"\n".join(lines).decode("utf-8")
    except UnicodeDecodeError:
        return None
