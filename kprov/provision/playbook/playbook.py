"""Playbooks: their plays in order, those of imported playbooks included."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kprov.provision.documents import is_file
from kprov.provision.engine import documents, task_keywords
from kprov.provision.engine.documents import Lines, Problem, plain
from kprov.provision.playbook.play import Play
from kprov.provision.playbook.play_reader import PlayReader
from kprov.provision.vault import Vault

_IMPORT = ("import_playbook", "ansible.builtin.import_playbook")
_DEEPEST = 20


@dataclass
class Playbook:
    """All plays that are to be run, and everything that is wrong with them."""

    plays: list[Play] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_playbooks(paths: list[Path], vault: Vault | None = None) -> Playbook:
    """Read playbooks, one after the other."""
    book = Playbook()
    for path in paths:
        _read(path, str(path), book, vault, 0)
    return book


def _read(path: Path, shown: str, book: Playbook, vault: Vault | None, depth: int) -> list[Play]:
    document = documents.load(path, book.problems, shown, vault)
    begun = len(book.plays)
    if document is None:
        if not any(problem.file == shown for problem in book.problems):
            book.problems.append(Problem(shown, 1, "the playbook is empty", "it needs a list of plays"))
        return []
    if not isinstance(document, list):
        hint = "start each with '- hosts: ...'"
        book.problems.append(Problem(shown, 1, "a playbook must be a list of plays", hint))
        return []
    reader = PlayReader(path, shown, book.problems, vault)
    for entry in document:
        if not isinstance(entry, Lines):
            reader.tell(1, f"a play must be a mapping, not {type(entry).__name__}", "start it with '- hosts: ...'")
            continue
        word = next((key for key in _IMPORT if key in entry), None)
        if word is None:
            book.plays.append(reader.read(entry))
        else:
            _import(entry, word, reader, book, depth)
    return book.plays[begun:]


def _import(entry: Lines, word: str, reader: PlayReader, book: Playbook, depth: int) -> None:
    """Read the plays of another playbook; `vars` and `tags` of the import hold for all of them."""
    for key in entry:
        if key not in (word, "name", "vars", "tags"):
            line = entry.key_lines.get(key, entry.line)
            reader.tell(line, f"'{key}' is no keyword of import_playbook in kprov", "it takes vars and tags")
    name = entry[word]
    path = reader.path.parent / str(name)
    line = entry.key_lines[word]
    if not isinstance(name, str) or "{{" in name:
        reader.tell(line, f"{word} needs the name of a playbook")
        return
    if not is_file(path):
        reader.tell(line, f"there is no playbook {path}")
        return
    if depth >= _DEEPEST:
        reader.tell(line, f"playbooks import each other without an end ({path})")
        return
    from dataclasses import replace

    tags = task_keywords.tags_of(entry.get("tags"))
    variables = entry.get("vars")
    for play in _read(path, str(path), book, reader.vault, depth + 1):
        play.frame = replace(play.frame, tags=play.frame.tags | tags)
        if isinstance(variables, dict):
            play.variables = {**play.variables, **plain(variables)}
