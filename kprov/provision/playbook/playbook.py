"""Playbooks: their plays in order, those of imported playbooks included."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kprov.provision.documents import is_file
from kprov.provision.engine import documents, task_keywords
from kprov.provision.engine.documents import Lines, Problem, plain
from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.tasks import is_open
from kprov.provision.engine.templating import Templar
from kprov.provision.playbook.play import Play
from kprov.provision.playbook.play_reader import PlayReader
from kprov.provision.playbook.play_templates import Known, PlayTemplates
from kprov.provision.vault import Vault

_IMPORT = ("import_playbook", "ansible.builtin.import_playbook")


@dataclass
class Playbook:
    """All plays that are to be run, and everything that is wrong with them."""

    plays: list[Play] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class _Import:
    """What the imports around a playbook say for its plays."""

    variables: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    when: tuple[Any, ...] = ()
    playbooks: frozenset[Path] = frozenset()
    """Those that are being read."""


def read_playbooks(paths: list[Path], vault: Vault | None = None, known: Known | None = None) -> Playbook:
    """Read playbooks, one after the other.

    Args:
        paths: their files.
        vault: opens what is encrypted.
        known: what plays' keywords may name; None: nothing but the plays' own variables.
    """
    book = Playbook()
    for path in paths:
        _read(path, str(path), book, vault, known or Known(), _Import(playbooks=frozenset({path.resolve()})))
    return book


def _read(path: Path, shown: str, book: Playbook, vault: Vault | None, known: Known, by: _Import) -> None:
    document = documents.load(path, book.problems, shown, vault)
    if document is None:
        if not any(problem.file == shown for problem in book.problems):
            book.problems.append(Problem(shown, 1, "the playbook is empty", "it needs a list of plays"))
        return
    if not isinstance(document, list):
        hint = "start each with '- hosts: ...'"
        book.problems.append(Problem(shown, 1, "a playbook must be a list of plays", hint))
        return
    reader = PlayReader(path, shown, book.problems, vault, known, by.variables)
    for entry in document:
        if not isinstance(entry, Lines):
            reader.tell(1, f"a play must be a mapping, not {type(entry).__name__}", "start it with '- hosts: ...'")
            continue
        word = next((key for key in _IMPORT if key in entry), None)
        if word is None:
            play = reader.read(entry)
            frame = play.frame
            play.frame = replace(frame, tags=frame.tags | by.tags, when=(*by.when, *frame.when))
            book.plays.append(play)
        else:
            _import(entry, word, reader, book, by)


def _import(entry: Lines, word: str, reader: PlayReader, book: Playbook, by: _Import) -> None:
    """Read the plays of another playbook; `vars`, `tags` and `when` of the import hold for all of them."""
    for key in entry:
        if key not in (word, "name", "vars", "tags", "when"):
            line = entry.key_lines.get(key, entry.line)
            reader.tell(line, f"'{key}' is no keyword of import_playbook in kprov", "it takes vars, tags and when")
    line = entry.key_lines[word]
    variables = entry.get("vars")
    variables = {**(plain(variables) if isinstance(variables, dict) else {}), **by.variables}
    templar = Templar(SearchPath((reader.path.parent,)))
    name = PlayTemplates(templar, reader.known, variables, reader.tell).render(entry[word], word, line)
    if is_open(name):
        return
    path = reader.path.parent / str(name)
    if not isinstance(name, str):
        reader.tell(line, f"{word} needs the name of a playbook")
        return
    if not is_file(path):
        reader.tell(line, f"there is no playbook {path}")
        return
    if path.resolve() in by.playbooks:
        reader.tell(line, f"playbooks import each other without an end ({path})")
        return
    inner = _Import(
        variables,
        by.tags | task_keywords.tags_of(entry.get("tags")),
        (*by.when, *task_keywords.as_tuple(plain(entry.get("when")))),
        by.playbooks | {path.resolve()},
    )
    _read(path, str(path), book, reader.vault, reader.known, inner)
