"""Lookups that read the controller: its files, programs, environment, and the variables."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kprov.provision import programs
from kprov.provision.engine.lookups.context import Lookup, LookupContext, LookupProblem, flat, split, texts

COMMAND_SECONDS = 600
MOST_PRINTED = 64 * 1024 * 1024


def _file(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found = []
    for name in texts(terms):
        path = context.read("files", name)
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise LookupProblem(f"{path} cannot be read as text: {error}") from None
        text = text.rstrip() if options.get("rstrip", True) else text
        found.append(text.lstrip() if options.get("lstrip", False) else text)
    return found


def _template(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    scope = context.scope.with_layer(options.get("template_vars") or {}, True)
    return [context.templar.render_file(name, scope) for name in texts(terms)]


def _env(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [os.environ.get(name.split()[0], options.get("default", "")) for name in texts(terms)]


def _vars(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found = []
    for name in texts(terms):
        if name in context.scope:
            found.append(context.scope[name])
        elif "default" in options:
            found.append(options["default"])
        else:
            raise LookupProblem(f"there is no variable '{name}'")
    return found


def _varnames(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    names = sorted(name for name in context.scope if isinstance(name, str))
    return [name for pattern in texts(terms) for name in names if re.search(pattern, name)]


def _run(command: str) -> str:
    try:
        ended = programs.run(command, seconds=COMMAND_SECONDS, most=MOST_PRINTED)
    except programs.TookTooLong:
        raise LookupProblem(f"'{command}' on the controller took longer than {COMMAND_SECONDS} s") from None
    except programs.PrintedTooMuch:
        raise LookupProblem(f"'{command}' on the controller printed more than {MOST_PRINTED >> 20} MiB") from None
    if ended.code != 0:
        words = ended.error_text[-500:]  # its output may be a secret
        raise LookupProblem(f"'{command}' on the controller ended with exit code {ended.code}: {words}")
    return ended.text


def _pipe(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [_run(command).rstrip() for command in texts(terms)]


def _lines(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [line for command in texts(terms) for line in _run(command).splitlines()]


def _fileglob(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found: list[Any] = []
    for pattern in texts(terms):
        for place in context.templar.search_path.places("files", pattern):
            matches = sorted(path for path in glob.glob(str(place)) if Path(path).is_file())  # noqa: PTH207
            if matches:
                found += matches
                break
    return found


def _first_found(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    tried: list[str] = []
    skip = bool(options.get("skip", False))
    for term in flat(terms) or [options]:
        given = {**options, **term} if isinstance(term, Mapping) else {**options, "files": [term]}
        skip = skip or bool(given.get("skip", False))
        files = split(given.get("files"), ",;")
        folders = split(given.get("paths"), ",:;") or [""]
        for folder, name in itertools.product(folders, files):
            wanted = os.path.join(folder, name) if folder else name  # noqa: PTH118 - `a/` + `/b` is `/b`
            found = context.templar.search_path.find(context.kind, wanted)
            if found is not None:
                return [str(found)]
            tried.append(wanted)
    if skip:
        return []
    raise LookupProblem(
        f"none of these files was found: {', '.join(tried) or 'none was named'}; skip: true allows that"
    )


OUTSIDE: dict[str, Lookup] = {
    "env": _env,
    "file": _file,
    "fileglob": _fileglob,
    "first_found": _first_found,
    "lines": _lines,
    "pipe": _pipe,
    "template": _template,
    "varnames": _varnames,
    "vars": _vars,
}
